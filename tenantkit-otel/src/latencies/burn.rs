//! [`Burn`]: how fast one tenant spends what its objectives let fail or be slow.
//!
//! The same objectives and windows as those of the tiers in `slo/rules.yaml`, which are after The Site Reliability
//! Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".

use std::{collections::VecDeque, time::Duration};

/// 99.9% do not fail.
const MAY_FAIL: f64 = 0.001;
/// 99% of those served take no longer than [`Burn::LIMIT`].
const MAY_BE_SLOW: f64 = 0.01;

const MINUTE: Duration = Duration::from_secs(60);
const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const SIX_HOURS: Duration = Duration::from_secs(6 * 60 * 60);

/// How fast a tenant's budgets are spent: at 1 they last exactly as long as they are for, at 10 for a tenth of it.
///
/// Each is `None` where there was nothing to count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Burn {
    /// Of the one request in a thousand that may fail.
    pub failures: Option<f64>,
    /// Of the one in a hundred, of those served, that may take longer than [`LIMIT`](Self::LIMIT).
    pub slowness: Option<f64>,
}

impl Burn {
    /// What is slow.
    pub const LIMIT: Duration = Duration::from_millis(250);

    fn exceeds(self, factor: f64) -> [bool; 2] {
        [self.failures, self.slowness].map(|it| it.is_some_and(|burn| burn > factor))
    }
}

/// What somebody has to do about a tenant's service level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alert {
    /// At this rate a month's budget lasts two days: now.
    Page,
    /// At this rate it lasts five: soon.
    Ticket,
}

impl Alert {
    /// As the label `severity` of the rules has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

/// What was counted of a tenant until a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) at: Duration,
    pub(super) served: u64,
    pub(super) failed: u64,
    pub(super) in_time: u64,
}

/// What was counted at times a minute or more apart, for six hours: 20 KiB at most.
#[derive(Debug, Default)]
pub(super) struct Marks {
    kept: VecDeque<Mark>,
    last: Mark,
}

impl Marks {
    pub(super) fn add(&mut self, mark: Mark) {
        match self.kept.back() {
            // Nothing had been counted before.
            None => self.kept.push_back(Mark { at: mark.at, ..Mark::default() }),
            Some(before) if mark.at.saturating_sub(before.at) >= MINUTE => {
                self.kept.push_back(mark);
            }
            Some(_) => {}
        }
        let begin = mark.at.saturating_sub(SIX_HOURS);
        while self.kept.get(1).is_some_and(|second| second.at <= begin) {
            self.kept.pop_front();
        }
        self.last = mark;
    }

    /// Over the last `window`, and up to a minute more; over less where there is less.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests, below 2^52")]
    pub(super) fn burn(&self, window: Duration) -> Burn {
        let begin = self.last.at.saturating_sub(window);
        let younger = self.kept.partition_point(|mark| mark.at <= begin);
        let Some(first) = self.kept.get(younger.saturating_sub(1)) else {
            return Burn::default();
        };
        let (served, failed) = (self.last.served - first.served, self.last.failed - first.failed);
        let slow = served - (self.last.in_time - first.in_time).min(served);
        let share = |some: u64, of: u64, may: f64| (of > 0).then(|| some as f64 / of as f64 / may);
        Burn {
            failures: share(failed, served + failed, MAY_FAIL),
            slowness: share(slow, served, MAY_BE_SLOW),
        }
    }

    /// A short window beside each long one, so that it ends soon after what caused it.
    pub(super) fn alert(&self) -> Option<Alert> {
        let both = |long, short, factor| {
            let (long, short) = (self.burn(long).exceeds(factor), self.burn(short).exceeds(factor));
            long.into_iter().zip(short).any(|(long, short)| long && short)
        };
        if both(HOUR, FIVE_MINUTES, 14.4) {
            Some(Alert::Page)
        } else {
            both(SIX_HOURS, HOUR, 6.0).then_some(Alert::Ticket)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many requests in each minute, of which so many fail and so many are slow.
    fn minutes(marks: &mut Marks, minutes: u64, [served, failed, slow]: [u64; 3]) {
        for _ in 0..minutes {
            let Mark { at, served: before, failed: failed_before, in_time } = marks.last;
            marks.add(Mark {
                at: at + MINUTE,
                served: before + served,
                failed: failed_before + failed,
                in_time: in_time + served - slow,
            });
        }
    }

    fn burn(failures: f64, slowness: f64) -> Burn {
        Burn { failures: Some(failures), slowness: Some(slowness) }
    }

    fn is_near(seen: Burn, expected: Burn) -> bool {
        let near =
            |it: Option<f64>, other: Option<f64>| (it.unwrap() - other.unwrap()).abs() < 1e-9;
        near(seen.failures, expected.failures) && near(seen.slowness, expected.slowness)
    }

    #[test]
    fn a_burn_is_what_was_spent_of_what_may_be() {
        let mut marks = Marks::default();
        assert_eq!(marks.burn(HOUR), Burn::default());
        minutes(&mut marks, 60, [999, 1, 0]);
        assert!(is_near(marks.burn(HOUR), burn(1.0, 0.0)), "{:?}", marks.burn(HOUR));
        minutes(&mut marks, 5, [980, 20, 98]);
        assert!(is_near(marks.burn(FIVE_MINUTES), burn(20.0, 10.0)), "{marks:?}");
        // What is counted between two marks that are kept counts as well.
        let last = marks.last;
        marks.add(Mark { at: last.at + MINUTE / 2, failed: last.failed + 1000, ..last });
        assert!(marks.burn(FIVE_MINUTES).failures.unwrap() > 100.0);
    }

    #[test]
    fn what_was_counted_before_the_first_mark_counts() {
        let mut marks = Marks::default();
        marks.add(Mark { at: 7 * HOUR, served: 0, failed: 3, in_time: 0 });
        assert_eq!(marks.burn(FIVE_MINUTES), Burn { failures: Some(1000.0), slowness: None });
    }

    #[test]
    fn an_alert_needs_both_of_its_windows() {
        let mut marks = Marks::default();
        minutes(&mut marks, 360, [1000, 0, 0]);
        // Five bad minutes are not yet an hour's burn, and ten of half of all are.
        minutes(&mut marks, 5, [1000, 100, 0]);
        assert_eq!(marks.alert(), None);
        minutes(&mut marks, 5, [1000, 1000, 0]);
        assert_eq!(marks.alert(), Some(Alert::Page));
        // It is over, so nobody is called any more; that it was is still to be looked at.
        minutes(&mut marks, 6, [1000, 0, 0]);
        assert_eq!(marks.alert(), Some(Alert::Ticket));
        minutes(&mut marks, 60, [1000, 0, 0]);
        assert_eq!(marks.alert(), None);
        minutes(&mut marks, 30, [1000, 0, 300]);
        assert_eq!(marks.alert(), Some(Alert::Page));
    }

    #[test]
    fn marks_are_kept_for_six_hours() {
        let mut marks = Marks::default();
        for second in 0..100_000 {
            marks.add(Mark { at: Duration::from_secs(second), ..Mark::default() });
        }
        assert!(marks.kept.len() <= 362, "{}", marks.kept.len());
        assert!(marks.kept.capacity() * size_of::<Mark>() <= 20 << 10, "{}", marks.kept.capacity());
        assert!(marks.kept[0].at <= marks.last.at - SIX_HOURS);
        assert!(marks.kept[1].at > marks.last.at - SIX_HOURS);
    }

    #[test]
    fn the_rules_for_tiers_have_the_same_objectives() {
        let rules = include_str!("../../slo/rules.yaml");
        for rule in [
            format!("failed:ratio_rate1h > 14.4 * {MAY_FAIL} and tier:failed:ratio_rate5m"),
            format!("failed:ratio_rate6h > 6 * {MAY_FAIL} and tier:failed:ratio_rate1h"),
            format!("slow:ratio_rate1h > 14.4 * {MAY_BE_SLOW} and tier:slow:ratio_rate5m"),
            format!("slow:ratio_rate6h > 6 * {MAY_BE_SLOW} and tier:slow:ratio_rate1h"),
        ] {
            assert!(rules.contains(&rule), "{rule}");
        }
        let limits = rules.split("le=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let limits: Vec<f64> = limits.map(|limit| limit.parse().unwrap()).collect();
        assert_eq!(limits, [Burn::LIMIT.as_secs_f64(); 3]);
    }
}
