//! [`ConsumerStats`]: what a consumer has done and how it stands, by tier and never by tenant.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use tenantkit_core::{Tier, TierSet};

/// What a consumer has done, and how it stands. What is counted is counted from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// By tier. Records whose tier is not known, because their tenant is not, are under `None`.
    pub tiers: BTreeMap<Option<&'static str>, TierStats>,
    /// By topic and partition: how many offsets that were read are not done with.
    pub behind: BTreeMap<(String, i32), u64>,
    /// By topic and partition: how many offsets are not done with, to the end of the partition. The brokers tell where
    /// that is every 5 s (or as `statistics.interval.ms` says). It is not here where nothing was read yet and nothing
    /// was committed ever.
    pub lag: BTreeMap<(String, i32), u64>,
    /// Records that wait or are under way, in memory.
    pub records: usize,
    /// Bytes of them.
    pub bytes: usize,
    /// Tenants of which something was left behind, in all partitions.
    pub left_behind: usize,
    /// Dead letters that could not be written, each time. Their records wait, and nothing is lost; while
    /// this grows, somebody has to look at the dead letter topic.
    pub dead_letters_failed: u64,
    /// What the brokers last said when a dead letter could not be written; `None` since one could.
    pub dead_letter_trouble: Option<String>,
    /// Commits that failed. What they said is committed by the next, or done again.
    pub commits_failed: u64,
    /// How often partitions were given or taken.
    pub rebalances: u64,
    /// Partitions that the group gave or took and librdkafka did not take or give.
    pub rebalances_failed: u64,
    /// Errors that librdkafka told and recovers from.
    pub errors: u64,
}

/// Of one tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierStats {
    /// Records that were handled.
    pub handled: u64,
    /// Attempts that failed and were made again.
    pub retried: u64,
    /// Times that a record was put off, because its tenant may not just now.
    pub put_off: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Records of suspended tenants, parked.
    pub parked: u64,
    /// Attempts that were dropped when a partition went away.
    pub cancelled: u64,
    /// How long the record that waits longest in memory has waited: what tells that a tier starves.
    pub longest_wait: Duration,
}

#[derive(Debug)]
pub(super) struct Counters {
    tiers: TierSet,
    by_tier: Box<[Tallies]>,
    commits_failed: AtomicU64,
    rebalances: AtomicU64,
    rebalances_failed: AtomicU64,
    errors: AtomicU64,
    dead_letters_failed: AtomicU64,
    trouble: std::sync::Mutex<Option<String>>,
    pub(super) left_behind: AtomicUsize,
}

#[derive(Debug, Default)]
struct Tallies([AtomicU64; Tally::COUNT]);

/// What is counted by tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tally {
    Handled,
    Retried,
    PutOff,
    DeadLetter,
    Parked,
    Cancelled,
}

impl Tally {
    const COUNT: usize = 6;
}

impl Counters {
    pub(super) fn new(tiers: TierSet) -> Self {
        Self {
            tiers,
            by_tier: (0..=tiers.iter().count()).map(|_| Tallies::default()).collect(),
            commits_failed: AtomicU64::new(0),
            rebalances: AtomicU64::new(0),
            rebalances_failed: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            dead_letters_failed: AtomicU64::new(0),
            trouble: std::sync::Mutex::default(),
            left_behind: AtomicUsize::new(0),
        }
    }

    pub(super) fn count(&self, tier: Option<Tier>, tally: Tally) {
        let unknown = self.by_tier.len() - 1;
        let number = tier.map_or(unknown, |tier| tier.rank().min(unknown));
        self.by_tier[number].0[tally as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn commit_failed(&self) {
        self.commits_failed.fetch_add(1, Relaxed);
    }

    pub(super) fn rebalanced(&self) {
        self.rebalances.fetch_add(1, Relaxed);
    }

    pub(super) fn rebalance_failed(&self) {
        self.rebalances_failed.fetch_add(1, Relaxed);
    }

    pub(super) fn error(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    /// A dead letter was written, or was not, and why.
    pub(super) fn dead_letter(&self, trouble: Option<String>) {
        if trouble.is_some() {
            self.dead_letters_failed.fetch_add(1, Relaxed);
        }
        *self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = trouble;
    }

    /// All of it but what others know.
    pub(super) fn read(&self) -> ConsumerStats {
        let names = self.tiers.iter().map(|tier| Some(tier.as_str())).chain([None]);
        let tiers = names.zip(&self.by_tier).map(|(name, Tallies(tallies))| {
            let of = |tally: Tally| tallies[tally as usize].load(Relaxed);
            let stats = TierStats {
                handled: of(Tally::Handled),
                retried: of(Tally::Retried),
                put_off: of(Tally::PutOff),
                dead_letters: of(Tally::DeadLetter),
                parked: of(Tally::Parked),
                cancelled: of(Tally::Cancelled),
                longest_wait: Duration::ZERO,
            };
            (name, stats)
        });
        ConsumerStats {
            tiers: tiers.collect(),
            left_behind: self.left_behind.load(Relaxed),
            dead_letters_failed: self.dead_letters_failed.load(Relaxed),
            dead_letter_trouble: self
                .trouble
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .clone(),
            commits_failed: self.commits_failed.load(Relaxed),
            rebalances: self.rebalances.load(Relaxed),
            rebalances_failed: self.rebalances_failed.load(Relaxed),
            errors: self.errors.load(Relaxed),
            ..ConsumerStats::default()
        }
    }
}
