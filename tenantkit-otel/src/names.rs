//! The names of the attributes that this crate sets.

/// The tenant. On spans, events and log records; never on a metric.
pub const TENANT_ID: &str = "tenant.id";
/// What the tenant bought. On spans, events and log records, and as a label of metrics.
pub const TENANT_TIER: &str = "tenant.tier";
/// The transaction that the work belongs to, through every service.
pub const TRANSACTION_ID: &str = "tenantkit.transaction.id";
/// Under which capability work of no single tenant is done.
pub const SYSTEM_CAPABILITY: &str = "tenantkit.system.capability";
/// Why work of no single tenant is done.
pub const SYSTEM_REASON: &str = "tenantkit.system.reason";
/// The stable code of a refusal. A label of metrics, and an attribute of spans.
pub const REFUSAL_CODE: &str = "tenantkit.refusal.code";
/// The door that refused. A label of metrics, and an attribute of spans.
pub const REFUSAL_DOOR: &str = "tenantkit.refusal.door";
