//! [`Partitions`]: how many partitions each topic has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::sync::Cache;
use rdkafka::error::KafkaError;
use tenantkit_core::Clock;

use super::link::Link;
use crate::Error;

/// So many topics are known at once.
const TOPICS: usize = 10_000;
/// After so long it is asked again, in the background.
const FRESH: Duration = Duration::from_secs(300);

/// How many partitions each topic has: asked once, at its first record, and again from time to time.
pub(crate) struct Partitions {
    topics: Cache<String, Arc<Known>>,
    clock: Arc<dyn Clock>,
}

struct Known {
    partitions: AtomicU32,
    /// When it is asked again: milliseconds of the monotonic clock.
    due: AtomicU64,
}

impl Partitions {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { topics: Cache::new(TOPICS), clock: Arc::clone(clock) }
    }

    pub(crate) async fn of(&self, topic: &str, link: &Link) -> Result<u32, Error> {
        if let Some(known) = self.topics.get(topic) {
            self.ask_again(&known, topic, link);
            return Ok(known.partitions.load(Ordering::Relaxed));
        }
        let ask = async {
            let asked = tokio::task::spawn_blocking(link.partitions_of(topic)).await;
            let partitions = asked.map_err(|_| KafkaError::Canceled).and_then(|answer| answer)?;
            Ok(Arc::new(Known {
                partitions: AtomicU32::new(partitions),
                due: AtomicU64::new(self.next_due()),
            }))
        };
        let known = self.topics.get_or_insert_async(topic, ask).await.map_err(Error::Metadata)?;
        Ok(known.partitions.load(Ordering::Relaxed))
    }

    /// In the background, by one of all that see that it is time.
    fn ask_again(&self, known: &Arc<Known>, topic: &str, link: &Link) {
        let due = known.due.load(Ordering::Relaxed);
        if self.now() < due {
            return;
        }
        let mine =
            known.due.compare_exchange(due, self.next_due(), Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_ok() {
            let (known, ask) = (Arc::clone(known), link.partitions_of(topic));
            tokio::task::spawn_blocking(move || {
                // What was said before holds where nobody answers.
                if let Ok(partitions) = ask() {
                    known.partitions.store(partitions, Ordering::Relaxed);
                }
            });
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    fn next_due(&self) -> u64 {
        let fresh = u64::try_from(FRESH.as_millis()).unwrap_or(u64::MAX);
        self.now().saturating_add(fresh)
    }
}
