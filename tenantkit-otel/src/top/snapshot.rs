//! [`Snapshot`]: the rankings of one window, as they stood.

use std::{cmp::Reverse, time::Duration};

use serde::{Serialize, Serializer};
use tenantkit_core::{TenantId, UnixTime};

use super::{Measure, space_saving::SpaceSaving};

/// The rankings of one window, as they stood. Serializes to JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// When the window began, in milliseconds since 1970.
    #[serde(rename = "from_unix_ms", serialize_with = "millis")]
    pub from: UnixTime,
    /// How long it has lasted.
    #[serde(rename = "lasted_s", serialize_with = "seconds")]
    pub lasted: Duration,
    /// Whether it is over.
    pub is_over: bool,
    /// One for each measure.
    pub rankings: Vec<Ranking>,
}

/// Who is heavy by one measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ranking {
    /// By what.
    #[serde(serialize_with = "measure")]
    pub by: Measure,
    /// In what it is counted.
    pub unit: &'static str,
    /// Of all tenants together, exactly.
    pub total: u64,
    /// The most that a tenant may have that is not told.
    pub absent_at_most: u64,
    /// The heaviest first.
    pub tenants: Vec<Heavy>,
}

/// One that is heavy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Heavy {
    /// Who.
    pub tenant: TenantId,
    /// How much: never less than the truth.
    pub amount: u64,
    /// By how much that may be more than the truth.
    pub at_most_over: u64,
}

impl Snapshot {
    /// The ranking by a measure.
    ///
    /// # Panics
    ///
    /// When the ranking was taken out of it.
    #[must_use]
    pub fn of(&self, measure: Measure) -> &Ranking {
        match self.rankings.iter().find(|it| it.by == measure) {
            Some(ranking) => ranking,
            None => panic!("a snapshot has a ranking for each measure"),
        }
    }

    /// The same with the `most` heaviest of each ranking. Those that fall away have no more than the last that
    /// stays.
    #[must_use]
    pub fn first(mut self, most: usize) -> Self {
        self.rankings.iter_mut().for_each(|it| it.shorten(most));
        self
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Numbers, texts and lists of them: none fails.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Ranking {
    pub(super) fn of(by: Measure, counts: &SpaceSaving) -> Self {
        let of = counts.counted().iter();
        let mut tenants: Vec<_> = of
            .map(|it| Heavy { tenant: it.tenant, amount: it.amount, at_most_over: it.over })
            .collect();
        // Of two that may be as heavy, the one of which more is certain; then by name, so that it is the same
        // every time.
        tenants.sort_by(|one, other| {
            let key = |it: &Heavy| (Reverse(it.amount), it.at_most_over);
            key(one).cmp(&key(other)).then_with(|| one.tenant.as_str().cmp(other.tenant.as_str()))
        });
        Self {
            by,
            unit: by.unit(),
            total: counts.total(),
            absent_at_most: counts.absent_at_most(),
            tenants,
        }
    }

    fn shorten(&mut self, most: usize) {
        if let Some(next) = self.tenants.get(most) {
            self.absent_at_most = self.absent_at_most.max(next.amount);
            self.tenants.truncate(most);
        }
    }
}

fn millis<S: Serializer>(time: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(time.as_millis())
}

fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

fn measure<S: Serializer>(measure: &Measure, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(measure.as_str())
}
