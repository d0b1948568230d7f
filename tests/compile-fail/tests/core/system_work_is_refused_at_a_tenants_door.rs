use tenantkit_core::{Authority, Door, Refusal, SystemWork};

fn open(authority: &Authority, work: &SystemWork) -> Result<(), Refusal> {
    authority.check(work, Door::Transaction)
}

fn main() {}
