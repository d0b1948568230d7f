//! [`Pass`]: the permit of a request, and [`Onward`]: a part in it for work that outlives the request.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tenantkit_limit::{
    concurrency::Outcome,
    limits::{Entered, Standings},
};

/// Keeps a request's permit, beyond its answer if need be: for work that a caller who hangs up does not
/// end at once, as what runs on a blocking thread. In the extensions of a request that came through a
/// layer which [lends its permit](super::LimitLayer::lend_permit).
///
/// The permit is given back when the answer has ended, or is dropped, and every clone of this is dropped.
///
/// ```
/// use axum::Extension;
/// use tenantkit_grpc::limit::Onward;
///
/// async fn export(Extension(permit): Extension<Onward>) -> String {
///     let work = tokio::task::spawn_blocking(move || {
///         let report = "a long sum".to_owned();
///         drop(permit);
///         report
///     });
///     work.await.unwrap_or_default()
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(export));
/// ```
#[derive(Clone)]
pub struct Onward(#[expect(dead_code, reason = "held until it is dropped")] Arc<Lent>);

pub(super) struct Lent {
    entered: Option<Entered>,
    outcome: Mutex<Option<Outcome>>,
}

/// The permit of a request under way.
#[expect(clippy::large_enum_variant, reason = "the large one is the common one: no allocation")]
pub(super) enum Pass {
    Own(Entered),
    Lent(Arc<Lent>),
}

impl Pass {
    /// One that work may keep, and what it keeps.
    pub(super) fn lent(entered: Entered) -> (Self, Onward) {
        let lent = Arc::new(Lent { entered: Some(entered), outcome: Mutex::new(None) });
        (Self::Lent(Arc::clone(&lent)), Onward(lent))
    }

    pub(super) const fn own(entered: Entered) -> Self {
        Self::Own(entered)
    }

    /// How the tenant stands in each window of its rate.
    pub(super) fn standings(&self) -> Option<&Standings> {
        match self {
            Self::Own(entered) => Some(entered.standings()),
            Self::Lent(lent) => lent.entered.as_ref().map(Entered::standings),
        }
    }

    /// The answer has ended, and so it went.
    pub(super) fn finished(self, outcome: Outcome) {
        match self {
            Self::Own(entered) => entered.finished(outcome),
            Self::Lent(lent) => {
                *lent.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            }
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let outcome = self.outcome.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(entered), Some(outcome)) = (self.entered.take(), outcome) {
            entered.finished(outcome);
        }
    }
}

impl fmt::Debug for Onward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Onward").finish_non_exhaustive()
    }
}
