use tenantkit_core::{Authority, CrossTenant, Door, Refusal};

fn open(authority: &Authority, work: &CrossTenant) -> Result<(), Refusal> {
    authority.check(work, Door::Transaction)
}

fn main() {}
