//! What a tenant's clients have seen so far, for whoever watches.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One second of load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Calls that the schedule began.
    pub started: u32,
    /// Those of them that began more than 5 ms after their time.
    pub late: u32,
    /// Those of them for which the client had no connection left.
    pub unsent: u32,
    /// Tries after the first.
    pub retried: u32,
    /// Tries that were served.
    pub admitted: u32,
    /// Tries that were refused for the load: 429 and 503.
    pub refused: u32,
    /// Tries that had another answer or none in time.
    pub failed: u32,
}

/// A try that was served, or waited for in vain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When it began, in seconds from the start.
    pub at: f64,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

/// Written by one generator, read by whoever watches.
#[derive(Debug)]
pub struct Board {
    start: Instant,
    tally: Mutex<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    seconds: Vec<Second>,
    points: Vec<Point>,
}

impl Default for Board {
    fn default() -> Self {
        Self { start: Instant::now(), tally: Mutex::default() }
    }
}

impl Board {
    /// When its first second began.
    #[must_use]
    pub const fn start(&self) -> Instant {
        self.start
    }

    /// The whole seconds of a window.
    #[must_use]
    pub fn seconds(&self, from: Duration, to: Duration) -> Vec<Second> {
        let (from, to) = (from.as_secs() as usize, to.as_secs() as usize);
        let tally = self.tally();
        let to = to.min(tally.seconds.len());
        tally.seconds.get(from..to).map(<[Second]>::to_vec).unwrap_or_default()
    }

    /// The tries that began in the window and were served or waited for in vain.
    #[must_use]
    pub fn points(&self, from: Duration, to: Duration) -> Vec<Point> {
        let window = from.as_secs_f64()..to.as_secs_f64();
        let tally = self.tally();
        tally.points.iter().filter(|point| window.contains(&point.at)).copied().collect()
    }

    /// Everything so far.
    #[must_use]
    pub fn total(&self) -> Second {
        Second::sum(&self.tally().seconds)
    }

    pub(crate) fn note(&self, at: Instant, change: impl FnOnce(&mut Second)) {
        let second = at.saturating_duration_since(self.start).as_secs() as usize;
        let mut tally = self.tally();
        if tally.seconds.len() <= second {
            tally.seconds.resize(second + 1, Second::default());
        }
        change(&mut tally.seconds[second]);
    }

    pub(crate) fn point(&self, began: Instant, took: Duration) {
        let at = began.saturating_duration_since(self.start).as_secs_f64();
        self.tally().points.push(Point { at, ms: took.as_secs_f64() * 1000.0 });
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Second {
    /// Of all of them together.
    #[must_use]
    pub fn sum(seconds: &[Self]) -> Self {
        seconds.iter().fold(Self::default(), |sum, second| Self {
            started: sum.started + second.started,
            late: sum.late + second.late,
            unsent: sum.unsent + second.unsent,
            retried: sum.retried + second.retried,
            admitted: sum.admitted + second.admitted,
            refused: sum.refused + second.refused,
            failed: sum.failed + second.failed,
        })
    }
}
