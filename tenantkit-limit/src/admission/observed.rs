//! [`Observed`]: waits that were measured elsewhere.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Observed {
    interval: Duration,
    began: Duration,
    least: Option<Duration>,
    /// The least of the interval before.
    before: Option<Duration>,
}

impl Observed {
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, began: Duration::ZERO, least: None, before: None }
    }

    pub(super) fn add(&mut self, now: Duration, wait: Duration) {
        self.turn(now);
        self.least = Some(self.least.map_or(wait, |least| least.min(wait)));
    }

    pub(super) fn wait(&mut self, now: Duration) -> Duration {
        self.turn(now);
        // A shorter one counts at once: the queue was that short.
        let before = self.before.unwrap_or_default();
        self.least.map_or(before, |least| least.min(before))
    }

    fn turn(&mut self, now: Duration) {
        let past = now.saturating_sub(self.began);
        if past < self.interval {
            return;
        }
        let least = self.least.take();
        self.before = if past < self.interval * 2 { least } else { None };
        self.began = now;
    }
}
