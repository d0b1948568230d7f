//! New tasks that stay in the scope. A bare `tokio::spawn` leaves it.
//!
//! With the feature `tracing` they stay in the present span as well, which so lasts until they have ended.
//!
//! ```
//! # use tenantkit_core::test_util::TestAuthority;
//! use tenantkit_core::{TenantContext, task};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(TestAuthority::new().context("acme").scope(async {
//! let task = task::spawn(async { TenantContext::current().map(|tenant| *tenant.tenant()) })?;
//! assert_eq!(task.await.unwrap()?, "acme");
//! # Ok::<_, tenantkit_core::Refusal>(())
//! # })?)?;
//! # Ok::<_, tenantkit_core::Refusal>(())
//! ```

use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::{Refusal, TenantContext};

/// Spawns a task in the scope of the tenant whose scope this is.
///
/// # Errors
///
/// Outside any scope, and as [`TenantContext::scope`] does. Then nothing is spawned.
///
/// # Panics
///
/// Outside a Tokio runtime.
pub fn spawn<F>(future: F) -> Result<JoinHandle<F::Output>, Refusal>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_for(&TenantContext::current()?, future)
}

/// Spawns a task in the scope of a tenant whose context is at hand: for cron that runs for each, or for
/// a connection that outlives its request.
///
/// # Errors
///
/// As [`TenantContext::scope`] does. Then nothing is spawned.
///
/// # Panics
///
/// Outside a Tokio runtime.
pub fn spawn_for<F>(tenant: &TenantContext, future: F) -> Result<JoinHandle<F::Output>, Refusal>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Ok(tokio::spawn(tenant.scope(in_span(future))?))
}

/// Runs blocking work on Tokio's blocking threads, in the scope of the tenant whose scope this is.
///
/// # Errors
///
/// Outside any scope, and as [`TenantContext::scope`] does. Then nothing is run.
///
/// # Panics
///
/// Outside a Tokio runtime.
pub fn spawn_blocking<W, R>(work: W) -> Result<JoinHandle<R>, Refusal>
where
    W: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    #[cfg(feature = "tracing")]
    let work = {
        let span = tracing::Span::current();
        move || span.in_scope(work)
    };
    let scoped = TenantContext::current()?.scope(work)?;
    Ok(tokio::task::spawn_blocking(move || scoped.call()))
}

/// Spawning on a [`JoinSet`] without leaving the scope.
pub trait JoinSetExt<T> {
    /// Spawns a task in the scope of the tenant whose scope this is.
    ///
    /// # Errors
    ///
    /// Outside any scope, and as [`TenantContext::scope`] does. Then nothing is spawned.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    fn spawn_scoped<F>(&mut self, future: F) -> Result<AbortHandle, Refusal>
    where
        F: Future<Output = T> + Send + 'static;
}

impl<T: Send + 'static> JoinSetExt<T> for JoinSet<T> {
    fn spawn_scoped<F>(&mut self, future: F) -> Result<AbortHandle, Refusal>
    where
        F: Future<Output = T> + Send + 'static,
    {
        Ok(self.spawn(TenantContext::current()?.scope(in_span(future))?))
    }
}

/// Without the feature `tracing` there is no span.
fn in_span<F: Future>(future: F) -> impl Future<Output = F::Output> {
    #[cfg(feature = "tracing")]
    let future = tracing::Instrument::in_current_span(future);
    future
}
