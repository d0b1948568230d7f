//! Limits that are found while running, after Netflix' [concurrency-limits], which takes them from
//! TCP's congestion control.
//!
//! [concurrency-limits]: https://github.com/Netflix/concurrency-limits

mod aimd;
mod gradient2;
mod range;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use aimd::Aimd;
pub use gradient2::Gradient2;

use super::{
    limit::{Kind, Limit},
    permit::Outcome,
};

/// How many samples make a window: fewer say too little.
const LEAST_SAMPLES: u32 = 10;

/// The part of the limiter that learns.
#[derive(Debug)]
pub(super) struct Adaptive {
    /// Read for each permit, so that a fixed limit costs no look at the clock.
    on: AtomicBool,
    window: Mutex<Option<Window>>,
}

impl Adaptive {
    pub(super) fn new(limit: &Limit) -> Self {
        let window = Window::new(limit);
        Self { on: AtomicBool::new(window.is_some()), window: Mutex::new(window) }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Puts another limit in place of the one that is. `set` is called before anything is learned of
    /// it, and after all that was learned of the other.
    pub(super) fn replace(&self, limit: &Limit, set: impl FnOnce()) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        *window = Window::new(limit);
        self.on.store(window.is_some(), Ordering::Relaxed);
        set();
    }

    /// Takes a sample, and tells whether the limit has changed by that, which is `set` then.
    pub(super) fn learn(
        &self,
        now: Duration,
        took: Duration,
        in_use: u32,
        outcome: Outcome,
        set: impl FnOnce(u32),
    ) -> bool {
        if outcome == Outcome::Ignored {
            return false;
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(window) = &mut *window else { return false };
        let limit = window.add(now, took, in_use, outcome == Outcome::Overloaded);
        limit.map(set).is_some()
    }
}

/// The samples of some time, taken together: single ones swing too much.
#[derive(Debug)]
struct Window {
    rule: Rule,
    limit: u32,
    length: Duration,
    began: Option<Duration>,
    samples: u32,
    took: Duration,
    most_in_use: u32,
    overloaded: bool,
}

#[derive(Debug)]
enum Rule {
    Gradient2(gradient2::Estimate),
    Aimd(Aimd),
}

/// What a window has seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// On average.
    took: Duration,
    most_in_use: u32,
    overloaded: bool,
}

impl Window {
    fn new(limit: &Limit) -> Option<Self> {
        let (rule, range) = match &limit.0 {
            Kind::Fixed(_) => return None,
            Kind::Gradient2(settings) => {
                (Rule::Gradient2(gradient2::Estimate::new(settings.clone())), settings.range)
            }
            Kind::Aimd(settings) => (Rule::Aimd(settings.clone()), settings.range),
        };
        Some(Self {
            rule,
            limit: range.initial,
            length: range.window,
            began: None,
            samples: 0,
            took: Duration::ZERO,
            most_in_use: 0,
            overloaded: false,
        })
    }

    fn add(&mut self, now: Duration, took: Duration, in_use: u32, overloaded: bool) -> Option<u32> {
        let began = *self.began.get_or_insert(now);
        self.samples += 1;
        self.took = self.took.saturating_add(took);
        self.most_in_use = self.most_in_use.max(in_use);
        self.overloaded |= overloaded;
        if now.saturating_sub(began) < self.length || self.samples < LEAST_SAMPLES {
            return None;
        }
        let seen = Seen {
            took: self.took / self.samples,
            most_in_use: self.most_in_use,
            overloaded: self.overloaded,
        };
        let limit = match &mut self.rule {
            Rule::Gradient2(estimate) => estimate.next(seen),
            Rule::Aimd(settings) => settings.next(self.limit, seen),
        };
        (self.began, self.samples, self.took) = (Some(now), 0, Duration::ZERO);
        (self.most_in_use, self.overloaded) = (0, false);
        (std::mem::replace(&mut self.limit, limit) != limit).then_some(limit)
    }
}
