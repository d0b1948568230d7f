//! [`Latencies`]: one histogram, whose buckets are an eighth of a power of two wide.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::burn::{Alert, Burn, Mark, Marks};

/// Buckets for each power of two.
const PARTS: u64 = 8;
/// Up to 2^35 microseconds, which is nine and a half hours. What is longer counts as that.
const POWERS: u64 = 35;
const BUCKETS: usize = ((POWERS - 2) * PARTS) as usize;

/// How long the requests of one tenant took, and how many failed: what its service level is read from.
///
/// In microseconds. Up to 16 each has a bucket of its own; above that a bucket is at most an eighth of its value
/// wide, so a [quantile](Latencies::quantile) is never less than the truth and at most 12.5% more.
#[derive(Debug)]
pub struct Latencies {
    counts: [AtomicU64; BUCKETS],
    failed: AtomicU64,
    marks: Mutex<Marks>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            failed: AtomicU64::new(0),
            marks: Mutex::default(),
        }
    }
}

impl Latencies {
    pub(super) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get(bucket(micros)) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn record_failure(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// Marks what has been counted until `now`.
    pub(super) fn mark(&self, now: Duration) {
        // Counted under the lock: of two marks at a time, the one that is added later has no less.
        let mut marks = self.marks();
        let (in_time, served) = (self.within(Burn::LIMIT), self.count());
        marks.add(Mark { at: now, served, failed: self.failed(), in_time });
    }

    /// How fast the tenant's budgets were spent over the last `window`, up to six hours, and up to a minute more;
    /// over less where it has been watched for less. As of the last [`mark`](super::TenantLatencies::mark).
    #[must_use]
    pub fn burn(&self, window: Duration) -> Burn {
        self.marks().burn(window)
    }

    /// What somebody has to do about it, if anything: by the windows and factors that the rules for tiers have.
    #[must_use]
    pub fn alert(&self) -> Option<Alert> {
        self.marks().alert()
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        // A mark is kept or it is not.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many failed, beside those that were recorded.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// How many were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|it| it.load(Relaxed)).sum()
    }

    /// How long the given share of the requests took at most, from 0 to 1. `None` where there were none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let counts: Vec<u64> = self.counts.iter().map(|it| it.load(Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among fewer than 2^52, and a cast saturates"
        )]
        let rank = ((all as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        counts.iter().enumerate().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank && all > 0).then(|| Duration::from_micros(last(bucket)))
        })
    }

    /// How many took no longer than `limit`: never more than in truth. Those whose bucket `limit` divides are not
    /// counted.
    #[must_use]
    pub fn within(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let whole = self.counts.iter().enumerate().take_while(|(bucket, _)| last(*bucket) <= limit);
        whole.map(|(_, count)| count.load(Relaxed)).sum()
    }
}

/// The bucket of so many microseconds.
fn bucket(micros: u64) -> usize {
    let micros = micros.min((1 << POWERS) - 1);
    let power = u64::from(micros.max(PARTS).ilog2());
    // The four highest bits, of which the first is set above 8.
    let part = micros >> (power - 3);
    #[expect(clippy::cast_possible_truncation, reason = "less than BUCKETS")]
    let bucket = ((power - 3) * PARTS + part) as usize;
    bucket
}

/// The longest that is in a bucket.
fn last(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let power = (bucket / PARTS).saturating_sub(1);
    let part = bucket - power * PARTS;
    ((part + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut first = 0;
        for at in 0..BUCKETS {
            assert_eq!((bucket(first), bucket(last(at))), (at, at), "bucket {at}");
            first = last(at) + 1;
        }
        assert_eq!(first, 1 << POWERS);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn marks_that_are_made_at_a_time_never_count_backwards() {
        let latencies = Latencies::default();
        let minute = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        latencies.record(Duration::from_millis(1));
                        let now = Duration::from_secs(60 * minute.fetch_add(1, Relaxed));
                        latencies.mark(now);
                        let burn = latencies.burn(Duration::ZERO);
                        assert!(burn.slowness.is_none_or(|it| it < 1e9), "{burn:?}");
                    }
                });
            }
        });
    }

    proptest! {
        #[test]
        fn a_bucket_is_at_most_an_eighth_wide(micros in 0_u64..(1 << POWERS)) {
            let last = last(bucket(micros));
            prop_assert!(last >= micros && last - micros <= micros / PARTS);
        }

        #[test]
        fn quantiles_are_those_of_a_sorted_list(
            mut micros in prop::collection::vec(0_u64..1_000_000, 1..200),
            share in 0.0_f64..=1.0,
        ) {
            let latencies = Latencies::default();
            for it in &micros {
                latencies.record(Duration::from_micros(*it));
            }
            micros.sort_unstable();
            let rank = ((micros.len() as f64 * share).ceil() as usize).max(1);
            let truth = micros[rank - 1];
            let told = latencies.quantile(share).unwrap().as_micros() as u64;
            prop_assert!(told >= truth && told <= truth + truth / PARTS);
            let within = latencies.within(Duration::from_micros(truth));
            prop_assert!(within <= micros.iter().filter(|it| **it <= truth).count() as u64);
        }
    }
}
