//! Of a consumer.

use tenantkit_core::{Tier, TierSet};
use tenantkit_kafka::{ConsumerHandle, ConsumerStats, TierStats};
use tenantkit_otel::{
    labels,
    metrics::{MetricsError, TenantMeter},
};

use super::number;

labels! {
    /// What became of a record.
    pub enum Ending: "tenantkit.record.ending" {
        /// It was handled.
        Handled = "handled",
        /// An attempt failed, and it was tried again.
        Retried = "retried",
        /// It was put off, because its tenant may not just now.
        PutOff = "put-off",
        /// It became a dead letter.
        DeadLetter = "dead-letter",
        /// It was parked: its tenant is suspended.
        Parked = "parked",
        /// An attempt was dropped when its partition went away.
        Cancelled = "cancelled",
    }
}

/// Tells what became of records and how long that waits which waits longest, by tier; how far the consumer is behind
/// the end of its partitions; and how much is in memory. Records whose tenant is not known are under `_other`.
///
/// # Errors
///
/// When the budget has no room for seven series for each tier and thirteen more, or the instruments are there already.
pub fn observe_consumer(
    meter: &TenantMeter,
    consumer: &ConsumerHandle,
    tiers: TierSet,
) -> Result<(), MetricsError> {
    let of = consumer.clone();
    let what = "What became of records. Tries again and puttings-off are counted each time.";
    type By = (Option<Tier>, Ending);
    meter.observe_counter::<By>("tenantkit.records", "{record}", what, move |told| {
        for (tier, stats) in by_tier(&of.stats(), tiers) {
            for (count, ending) in endings(&stats) {
                told.tell(count, (tier, ending));
            }
        }
    })?;
    let of = consumer.clone();
    let what = "How long that waits which waits longest in memory.";
    let name = "tenantkit.consumer.longest_wait";
    meter.observe_gauge::<Tier>(name, "s", what, move |told| {
        for (tier, stats) in by_tier(&of.stats(), tiers) {
            if let Some(tier) = tier {
                told.tell(stats.longest_wait.as_secs_f64(), tier);
            }
        }
    })?;

    /// A gauge without labels.
    type Level = (&'static str, &'static str, &'static str, fn(&ConsumerStats) -> f64);
    let levels: [Level; 4] = [
        (
            "tenantkit.consumer.lag",
            "{record}",
            "Offsets of the partition that is furthest behind that are not done with, up to its end.",
            |it| number(it.lag.values().copied().max().unwrap_or_default()),
        ),
        (
            "tenantkit.consumer.records",
            "{record}",
            "Records that wait or are under way, in memory.",
            |it| number(it.records as u64),
        ),
        ("tenantkit.consumer.memory", "By", "Bytes of them.", |it| number(it.bytes as u64)),
        (
            "tenantkit.consumer.left_behind",
            "{tenant}",
            "Tenants of which something was left behind.",
            |it| number(it.left_behind as u64),
        ),
    ];
    for (name, unit, description, level) in levels {
        let of = consumer.clone();
        meter.observe_gauge::<()>(name, unit, description, move |told| {
            told.tell(level(&of.stats()), ());
        })?;
    }
    let of = consumer.clone();
    let what = "Commits, rebalances and dead letters that failed, and errors of the client.";
    meter.observe_counter::<()>("tenantkit.consumer.failures", "{failure}", what, move |told| {
        let it = of.stats();
        let failures = [it.commits_failed, it.rebalances_failed, it.dead_letters_failed, it.errors];
        told.tell(failures.iter().sum(), ());
    })
}

fn by_tier(
    stats: &ConsumerStats,
    tiers: TierSet,
) -> impl Iterator<Item = (Option<Tier>, TierStats)> {
    stats.tiers.iter().map(move |(name, of)| (name.and_then(|name| tiers.get(name)), *of))
}

const fn endings(of: &TierStats) -> [(u64, Ending); 6] {
    [
        (of.handled, Ending::Handled),
        (of.retried, Ending::Retried),
        (of.put_off, Ending::PutOff),
        (of.dead_letters, Ending::DeadLetter),
        (of.parked, Ending::Parked),
        (of.cancelled, Ending::Cancelled),
    ]
}
