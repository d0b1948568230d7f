//! Whether the light tenant was left alone, and whether a run says anything at all.

use std::fmt;

use crate::{Second, k6::Felt};

/// The samples without which a p99 says little: it is then what the slowest 60 calls had.
const ENOUGH: usize = 6_000;
/// The light tenant's errors must be below this share of its tries.
const ERRORS: f64 = 0.01;
/// What it may wait at most, in milliseconds.
const PATIENCE: f64 = 250.0;
/// What it may wait in company: so many times as long as alone, or so many milliseconds longer.
const TIMES: f64 = 1.5;
const LONGER: f64 = 5.0;
/// What is aimed at, and reported.
const GOAL: f64 = 1.1;
/// The share of the heavy tenant's calls that may begin late.
const LATE: f64 = 0.01;
/// A stage is the median of so many rounds, so it is decided by more than half of them.
const ROUNDS: usize = 3;

/// What was seen while the light tenant called, alone or not.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// What it has felt.
    pub light: Felt,
    /// What the heavy tenant did meanwhile, second by second; empty where there was none.
    pub heavy: Vec<Second>,
}

/// The percentile that is judged: there are too few samples for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asserted {
    /// Of a short run.
    P95,
    /// Of at least 6,000 samples.
    P99,
}

/// The light tenant alone, and then in company.
#[derive(Debug, Clone)]
pub struct Round {
    /// Alone.
    pub solo: Run,
    /// In company.
    pub loaded: Run,
}

/// Rounds until more than half of three say the same, which is what their median says.
#[derive(Debug, Default)]
pub struct Rounds(Vec<Round>);

/// What the rounds say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough.
    Open,
    /// The light tenant was left alone.
    Holds,
    /// It was not.
    Broken,
}

/// Why a run says nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Invalid {
    /// k6 did not begin calls that it should have: those that would have been slow.
    Dropped(usize),
    /// More of the heavy tenant's calls than 1% began late, or not: the load was not what it should be.
    Late(f64),
    /// Nothing was seen of a tenant.
    Nothing,
    /// This share of the light tenant's tries was not served although nobody else was there.
    Alone(f64),
}

/// A promise that was broken. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Broken {
    /// This share of the tries was not served.
    Errors(f64),
    /// It took longer than anybody should wait.
    Slow(f64),
    /// It took longer than alone, by more than is allowed.
    Slower {
        /// In company.
        loaded: f64,
        /// What was allowed.
        allowed: f64,
    },
}

impl Asserted {
    /// The one for so many samples.
    #[must_use]
    pub const fn of(samples: usize) -> Self {
        if samples >= ENOUGH { Self::P99 } else { Self::P95 }
    }

    /// In percent.
    #[must_use]
    pub const fn percent(self) -> f64 {
        match self {
            Self::P95 => 95.0,
            Self::P99 => 99.0,
        }
    }
}

impl fmt::Display for Asserted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.percent())
    }
}

impl Run {
    /// Why it says nothing, if so. Calls that the clients could not send, for want of a connection, count
    /// as late where nothing may be lost. An overload without limits loses them by itself.
    #[must_use]
    pub fn invalid(&self, may_lose: bool) -> Option<Invalid> {
        let heavy = Second::sum(&self.heavy);
        let lost = if may_lose { 0 } else { heavy.unsent };
        let late = f64::from(heavy.late + lost) / f64::from(heavy.started.max(1));
        if self.light.dropped > 0 {
            Some(Invalid::Dropped(self.light.dropped))
        } else if late > LATE {
            Some(Invalid::Late(late))
        } else if self.light.calls.is_empty() || (!self.heavy.is_empty() && heavy.started == 0) {
            Some(Invalid::Nothing)
        } else if self.heavy.is_empty() && self.light.error_share() >= ERRORS {
            Some(Invalid::Alone(self.light.error_share()))
        } else {
            None
        }
    }

    /// Which promises it breaks, beside what the light tenant had alone.
    #[must_use]
    pub fn broken(&self, solo: &Self) -> Vec<Broken> {
        let (loaded, alone) = (self.light.percentiles(), solo.light.percentiles());
        let percent = Asserted::of(loaded.len().min(alone.len())).percent();
        let (loaded, alone) = (loaded.at(percent), alone.at(percent));
        let allowed = (alone * TIMES).max(alone + LONGER);
        let errors = self.light.error_share();
        let found = [
            (errors >= ERRORS).then_some(Broken::Errors(errors)),
            (loaded >= PATIENCE).then_some(Broken::Slow(loaded)),
            (loaded > allowed).then_some(Broken::Slower { loaded, allowed }),
        ];
        found.into_iter().flatten().collect()
    }
}

impl Felt {
    /// The share of tries that were not served.
    #[must_use]
    pub fn error_share(&self) -> f64 {
        self.errors as f64 / self.attempts.max(1) as f64
    }
}

impl Round {
    /// How many times as long as alone, at the percentile that is judged. The goal is 1.1.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        let (loaded, alone) = (self.loaded.light.percentiles(), self.solo.light.percentiles());
        let percent = Asserted::of(loaded.len().min(alone.len())).percent();
        loaded.at(percent) / alone.at(percent)
    }

    /// Whether the goal is reached as well.
    #[must_use]
    pub fn reaches_goal(&self) -> bool {
        self.ratio() <= GOAL
    }
}

impl Rounds {
    /// Takes a round that says something.
    pub fn push(&mut self, round: Round) {
        self.0.push(round);
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Round] {
        &self.0
    }

    /// What they say.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let hold = |round: &&Round| round.loaded.broken(&round.solo).is_empty();
        let holding = self.0.iter().filter(hold).count();
        if holding > ROUNDS / 2 {
            Verdict::Holds
        } else if self.0.len() - holding > ROUNDS / 2 {
            Verdict::Broken
        } else {
            Verdict::Open
        }
    }

    /// Whether there is nothing to add.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.0.len() >= ROUNDS
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped(calls) => write!(f, "k6 dropped {calls} calls"),
            Self::Late(share) => {
                write!(f, "{:.1}% of the heavy tenant's calls began late or not", share * 100.0)
            }
            Self::Nothing => f.write_str("nothing was seen of a tenant"),
            Self::Alone(share) => {
                write!(f, "{:.1}% of the tries were not served without any load", share * 100.0)
            }
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors(share) => write!(f, "{:.1}% of the tries were not served", share * 100.0),
            Self::Slow(ms) => write!(f, "{ms:.0} ms is longer than {PATIENCE:.0} ms"),
            Self::Slower { loaded, allowed } => {
                write!(f, "{loaded:.1} ms is longer than the {allowed:.1} ms that are allowed")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Point;

    fn run(calls: usize, ms: f64) -> Run {
        let calls = vec![Point { at: 0.0, ms }; calls];
        let light = Felt { attempts: calls.len(), calls, ..Felt::default() };
        Run { light, heavy: Vec::new() }
    }

    fn heavy(second: Second) -> Run {
        Run { heavy: vec![second], ..run(100, 1.0) }
    }

    fn round(solo: f64, loaded: f64) -> Round {
        Round { solo: run(100, solo), loaded: run(100, loaded) }
    }

    #[test]
    fn a_p99_is_judged_from_6000_samples_and_a_p95_from_fewer() {
        assert_eq!(Asserted::of(5_999), Asserted::P95);
        assert_eq!(Asserted::of(6_000), Asserted::P99);
        let mut slow = run(6_000, 1.0);
        slow.light.calls.iter_mut().take(61).for_each(|call| call.ms = 100.0);
        assert!(!slow.broken(&run(6_000, 1.0)).is_empty());
        slow.light.calls.pop();
        assert!(slow.broken(&run(6_000, 1.0)).is_empty());
    }

    #[test]
    fn a_small_wait_may_grow_by_5_ms_and_a_long_one_by_half() {
        let holds = |solo, loaded| run(100, loaded).broken(&run(100, solo)).is_empty();
        assert!(holds(2.0, 7.0) && !holds(2.0, 7.1));
        assert!(holds(40.0, 60.0) && !holds(40.0, 60.1));
    }

    #[test]
    fn a_wait_that_is_long_alone_is_too_long_in_company() {
        assert_eq!(run(100, 250.0).broken(&run(100, 240.0)), [Broken::Slow(250.0)]);
    }

    #[test]
    fn one_error_in_a_hundred_is_one_too_many() {
        let mut with_error = run(100, 1.0);
        with_error.light.errors = 1;
        assert_eq!(with_error.broken(&run(100, 1.0)), [Broken::Errors(0.01)]);
    }

    #[test]
    fn a_run_that_lost_calls_is_none() {
        let started = Second { started: 1000, ..Second::default() };
        for may_lose in [false, true] {
            let late = |late| heavy(Second { late, ..started }).invalid(may_lose);
            assert_eq!((late(10), late(11)), (None, Some(Invalid::Late(0.011))));
        }
        let unsent = heavy(Second { unsent: 11, ..started });
        assert!(unsent.invalid(false).is_some() && unsent.invalid(true).is_none());
        let mut dropped = heavy(started);
        dropped.light.dropped = 1;
        assert_eq!(dropped.invalid(true), Some(Invalid::Dropped(1)));
        assert_eq!(run(0, 1.0).invalid(false), Some(Invalid::Nothing));
        let mut unserved = run(100, 1.0);
        unserved.light.errors = 1;
        assert_eq!(unserved.invalid(false), Some(Invalid::Alone(0.01)));
        assert_eq!(heavy(Second::default()).invalid(false), Some(Invalid::Nothing));
    }

    #[test]
    fn two_rounds_of_three_decide() {
        let verdict = |loaded: &[f64]| {
            let mut rounds = Rounds::default();
            loaded.iter().for_each(|ms| rounds.push(round(1.0, *ms)));
            rounds.verdict()
        };
        assert_eq!(verdict(&[1.0]), Verdict::Open);
        assert_eq!(verdict(&[1.0, 1.0]), Verdict::Holds);
        assert_eq!(verdict(&[9.0, 1.0]), Verdict::Open);
        assert_eq!(verdict(&[9.0, 1.0, 1.0]), Verdict::Holds);
        assert_eq!(verdict(&[9.0, 1.0, 9.0]), Verdict::Broken);
    }
}
