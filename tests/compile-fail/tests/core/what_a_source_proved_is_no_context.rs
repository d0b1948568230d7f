use tenantkit_core::{Authority, Door, Identity, Refusal};

fn open(authority: &Authority, proved: &Identity) -> Result<(), Refusal> {
    authority.check(proved, Door::Transaction)
}

fn main() {}
