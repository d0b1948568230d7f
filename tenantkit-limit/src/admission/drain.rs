//! [`Drain`]: how many are in the queue, how fast it drains, and so how long a newcomer waits.

use std::time::Duration;

/// Of how many beginnings the mean is, about: enough for work that takes very different times and for
/// workers that begin in step, few enough to notice soon that work has become slower.
const MEMORY: f64 = 256.0;

#[derive(Debug, Default)]
pub(super) struct Drain {
    queued: u32,
    /// When something last began, or the queue stopped being empty.
    progress: Duration,
    /// Whether there was a queue ever since something last began: only then the time between two
    /// beginnings tells what the workers can do, and not what was asked of them.
    backlogged: bool,
    /// Fading sums: of the times between beginnings, in seconds, and of their number.
    busy: f64,
    begun: f64,
}

impl Drain {
    pub(super) const fn queued(&self) -> u32 {
        self.queued
    }

    pub(super) fn enters(&mut self, now: Duration) {
        if self.queued == 0 {
            self.progress = now;
        }
        self.queued = self.queued.saturating_add(1);
    }

    pub(super) fn begins(&mut self, now: Duration) {
        if self.backlogged {
            let fade = 1.0 - 1.0 / MEMORY;
            let took = now.saturating_sub(self.progress).as_secs_f64();
            self.busy = self.busy.mul_add(fade, took);
            self.begun = self.begun.mul_add(fade, 1.0);
        }
        self.progress = now;
        self.leaves();
        self.backlogged = self.queued > 0;
    }

    pub(super) const fn leaves(&mut self) {
        self.queued = self.queued.saturating_sub(1);
        if self.queued == 0 {
            self.backlogged = false;
        }
    }

    /// How long one waits who is behind so many of those in the queue.
    pub(super) fn wait_behind(&self, ahead: u32, now: Duration) -> Duration {
        let ahead = ahead.min(self.queued);
        if ahead == 0 {
            return Duration::ZERO;
        }
        let stalled = now.saturating_sub(self.progress);
        if self.begun == 0.0 {
            return stalled;
        }
        // A mean of few may be far too low, and the queue too long before that is known: so it is taken
        // for as much higher as is likely, which is an eighth when there are many.
        let mean = self.busy / self.begun * (1.0 + 2.0 / self.begun.sqrt());
        let expected = f64::from(ahead) * mean;
        // Both sums are finite and not negative; a wait beyond what a duration holds is for ever.
        let expected = Duration::try_from_secs_f64(expected).unwrap_or(Duration::MAX);
        expected.max(stalled)
    }
}
