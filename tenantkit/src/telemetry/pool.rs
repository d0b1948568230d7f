//! Of a pool of connections.

use tenantkit_otel::metrics::{MetricsError, TenantMeter};
use tenantkit_sqlx::{PoolStats, TenantPool};

use super::number;

/// Tells how many connections a pool has, and how often and how long they were waited for.
///
/// # Errors
///
/// When the budget has no room for five series, or the instruments are there already.
pub fn observe_pool(meter: &TenantMeter, pool: &TenantPool) -> Result<(), MetricsError> {
    /// A gauge without labels.
    type Level = (&'static str, &'static str, &'static str, fn(&PoolStats) -> f64);

    let levels: [Level; 3] = [
        ("tenantkit.pool.open", "{connection}", "Connections that are open.", |it| it.open.into()),
        ("tenantkit.pool.idle", "{connection}", "Connections that are lent to nobody.", |it| {
            number(it.idle as u64)
        }),
        ("tenantkit.pool.limit", "{connection}", "Connections that there may be.", |it| {
            it.most.into()
        }),
    ];
    for (name, unit, description, level) in levels {
        let of = pool.clone();
        meter.observe_gauge::<()>(name, unit, description, move |told| {
            told.tell(level(&of.stats()), ());
        })?;
    }
    let of = pool.clone();
    let what = "Times that a connection was waited for, however short.";
    meter.observe_counter::<()>("tenantkit.pool.waits", "{wait}", what, move |told| {
        told.tell(of.stats().waits, ());
    })?;
    let of = pool.clone();
    let what = "How long connections were waited for, all together.";
    meter.observe_time::<()>("tenantkit.pool.waited", what, move |told| {
        told.tell(of.stats().waited.as_secs_f64(), ());
    })
}
