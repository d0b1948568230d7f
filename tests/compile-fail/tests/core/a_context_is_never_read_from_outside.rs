use tenantkit_core::TenantContext;

fn main() {
    let _: Result<TenantContext, _> = serde_json::from_str("{}");
}
