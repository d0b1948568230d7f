//! When a client tries again: as the clients do that people use.
//!
//! What may pass later (429, 503, no answer) is tried twice more at most. `Retry-After` is waited for,
//! with up to half of it on top, so that those who were refused together do not come back together;
//! without one the wait doubles, and is random below that. Retries are at most a fifth of the calls
//! (the budget of Finagle's `RetryBudget`, and of Envoy's default), so that clients do not drown what
//! they wait for.

use std::time::Duration;

/// The most tries of a call.
const TRIES: u8 = 3;
/// A client does not wait longer for one try.
const PATIENCE: Duration = Duration::from_secs(5);
const BASE: Duration = Duration::from_millis(100);
/// The retries that a call pays for.
const SHARE: f64 = 0.2;
/// The most that are saved up.
const SAVED: f64 = 100.0;

/// What is left of the retries that the calls have paid for.
#[derive(Debug, Default)]
pub(crate) struct Budget(f64);

impl Budget {
    /// A call began.
    pub(crate) fn call(&mut self) {
        self.0 = (self.0 + SHARE).min(SAVED);
    }

    /// How long to wait before trying again, if that is worth it. `tries` are those that were made;
    /// `random` is below 1.
    pub(crate) fn wait(
        &mut self,
        tries: u8,
        retry_after: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        let wait = match retry_after {
            Some(told) if told > PATIENCE => return None,
            Some(told) => told.mul_f64(1.0 + random / 2.0),
            None => (BASE * 2_u32.pow(tries.into())).mul_f64(random),
        };
        if tries >= TRIES || self.0 < 1.0 {
            return None;
        }
        self.0 -= 1.0;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rich() -> Budget {
        Budget(SAVED)
    }

    #[test]
    fn nobody_comes_back_before_they_were_told_to() {
        let told = Duration::from_millis(400);
        for random in [0.0, 0.5, 0.999] {
            let wait = rich().wait(1, Some(told), random).unwrap_or_default();
            assert!(wait >= told && wait <= told.mul_f64(1.5), "{wait:?}");
        }
    }

    #[test]
    fn a_call_is_given_up_after_three_tries_or_when_the_wait_is_too_long() {
        assert!(rich().wait(2, None, 0.5).is_some());
        assert!(rich().wait(3, None, 0.5).is_none());
        assert!(rich().wait(1, Some(Duration::from_secs(6)), 0.0).is_none());
    }

    #[test]
    fn retries_are_at_most_a_fifth_of_the_calls() {
        let mut budget = Budget::default();
        let mut retries = 0;
        for _ in 0..10_000 {
            budget.call();
            retries += u32::from(budget.wait(1, None, 0.0).is_some());
        }
        assert!((1_990..=2_000).contains(&retries), "{retries}");
    }
}
