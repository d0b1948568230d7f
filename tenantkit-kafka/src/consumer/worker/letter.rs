//! Writing a dead letter, before its record is done with.

use std::time::Duration;

use super::{
    super::{counters::Tally, queue::Leased, task::What},
    Worker, doubled, over,
};
use crate::dead_letter::Verdict;

/// How long to wait before a letter is written again, at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

impl Worker {
    /// Gives a record up: its dead letter is acknowledged, and only then is the record done with. Where the
    /// letter cannot be written the record stays, and is in nobody's way but its own key's and its lane's.
    pub(super) async fn bury(&self, lease: Leased, verdict: Verdict) {
        let shared = &self.shared;
        let task = std::sync::Arc::clone(&lease);
        task.give_up(verdict);
        let written = tokio::select! {
            biased;
            written = self.letters.write(&task.record, &verdict) => written,
            // It may be in its topic by now, and will be there again.
            () = task.partition.cancelled() => return over(lease.complete()),
        };
        match written {
            Ok(()) => {
                if let What::Handle(proof) = &task.what {
                    shared.judge.forget(proof);
                }
                shared.counters.dead_letter(None);
                let tally = if verdict.is_parked { Tally::Parked } else { Tally::DeadLetter };
                shared.counters.count(task.tier, tally);
                task.partition.finish(task.record.offset);
                over(lease.dead_letter());
            }
            Err(error) => {
                shared.counters.dead_letter(Some(error.0.to_string()));
                #[cfg(feature = "tracing")]
                tracing::error!(
                    error.type = %error.0,
                    messaging.system = "kafka",
                    messaging.destination.name = task.record.place.topic.as_ref(),
                    "a dead letter cannot be written: its record waits"
                );
                over(lease.retry_after(doubled(AGAIN, task.put_off())));
            }
        }
    }
}
