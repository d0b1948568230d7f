//! [`LastRefusals`]: who was refused last, and why, in bounded memory.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Serialize, Serializer};
use tenantkit_core::{Clock, Refusal, TenantContext, TenantId, UnixTime};

/// The refusals of late. Clones share them.
///
/// ```
/// use std::sync::Arc;
/// use tenantkit_core::{Door, Reason, Refusal, SystemClock};
/// use tenantkit_otel::refusals::LastRefusals;
///
/// let refusals = LastRefusals::new(2, Arc::new(SystemClock::new()));
/// for reason in [Reason::NoIdentity, Reason::Expired, Reason::RateExceeded] {
///     refusals.record(&Refusal::new(reason, Door::Request), None);
/// }
/// let kept = refusals.newest_first();
/// assert_eq!(kept.iter().map(|it| it.reason).collect::<Vec<_>>(), ["rate-exceeded", "expired"]);
/// ```
#[derive(Clone)]
pub struct LastRefusals(Arc<Inner>);

struct Inner {
    most: usize,
    kept: Mutex<VecDeque<Refused>>,
    clock: Arc<dyn Clock>,
}

/// One that was refused. Serializes to JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Refused {
    /// When, in milliseconds since 1970.
    #[serde(rename = "at_unix_ms", serialize_with = "millis")]
    pub at: UnixTime,
    /// The stable code.
    pub code: &'static str,
    /// What exactly was wrong.
    pub reason: &'static str,
    /// Which door refused.
    pub door: &'static str,
    /// Whom, where that was verified.
    pub tenant: Option<TenantId>,
    /// What it bought.
    pub tier: Option<&'static str>,
}

impl LastRefusals {
    /// Keeps so many, one at least, and takes the memory: about 150 bytes each.
    #[must_use]
    pub fn new(most: usize, clock: Arc<dyn Clock>) -> Self {
        let most = most.max(1);
        let kept = Mutex::new(VecDeque::with_capacity(most));
        Self(Arc::new(Inner { most, kept, clock }))
    }

    /// Keeps one, and forgets the oldest where there are enough.
    pub fn record(&self, refusal: &Refusal, tenant: Option<&TenantContext>) {
        let refused = Refused {
            at: self.0.clock.now(),
            code: refusal.code().as_str(),
            reason: refusal.reason().as_str(),
            door: refusal.door().as_str(),
            tenant: tenant.map(|it| *it.tenant()),
            tier: tenant.map(|it| it.tier().as_str()),
        };
        let mut kept = self.kept();
        if kept.len() >= self.0.most {
            kept.pop_front();
        }
        kept.push_back(refused);
    }

    /// Those that are kept.
    #[must_use]
    pub fn newest_first(&self) -> Vec<Refused> {
        self.kept().iter().rev().copied().collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Refused>> {
        // Whole after a panic: entries are put in as a whole.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LastRefusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastRefusals").field("most", &self.0.most).finish_non_exhaustive()
    }
}

fn millis<S: Serializer>(time: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(time.as_millis())
}
