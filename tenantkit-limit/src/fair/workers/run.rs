//! What a worker does.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tenantkit_core::{Door, Refusal, RefusalCode, TenantContext, TenantKey};
use tokio::{sync::watch, time};

use super::{Shared, Task, Verdict};
use crate::{
    breaker::Call,
    concurrency::Outcome,
    fair::{Lease, LeaseLost},
    limits::Entered,
    quota::Cost,
};

type Held<J> = Lease<TenantKey<()>, Task<J>>;

/// How long a tenant is held back where a refusal does not say.
const HOLD: Duration = Duration::from_millis(100);
/// How long a suspended one is.
const PARK: Duration = Duration::from_secs(10);

/// Runs items until it is told to stop, or the queue is closed and empty.
pub(super) async fn work<J, H, F>(
    shared: Arc<Shared<J>>,
    handler: Arc<H>,
    mut stopped: watch::Receiver<bool>,
) where
    J: Clone + Send + Sync + 'static,
    H: Fn(TenantContext, J) -> F + Send + Sync,
    F: Future<Output = Verdict> + Send,
{
    loop {
        let lease = tokio::select! {
            biased;
            // The sender is dropped with the workers, which ends this task.
            _ = stopped.wait_for(|is_stopped| *is_stopped) => return,
            lease = shared.queue.pop() => lease,
        };
        let Some(lease) = lease else { return };
        run(&shared, &*handler, lease).await;
    }
}

async fn run<J, H, F>(shared: &Shared<J>, handler: &H, mut lease: Held<J>)
where
    J: Clone + Send + Sync + 'static,
    H: Fn(TenantContext, J) -> F,
    F: Future<Output = Verdict>,
{
    let (mut entered, call) = match enter(shared, &lease) {
        Ok(entered) => entered,
        Err(refusal) => return refused(shared, lease, refusal),
    };
    let context = lease.context.clone();
    let begun = catch_unwind(AssertUnwindSafe(|| {
        context.in_scope(|| handler(context.clone(), lease.job.clone()))
    }));
    let verdict = match begun {
        Ok(future) => match future.and_then(|future| context.scope(future)) {
            Ok(future) => finish(shared, &mut lease, Box::pin(future)).await,
            Err(refusal) => return refused(shared, lease, refusal),
        },
        Err(_) => Ok(None),
    };
    let Ok(verdict) = verdict else {
        // Somebody else has the item: the clock went further than the runtime knows.
        return;
    };
    if verdict.is_none() {
        count(&shared.counters.panicked);
    }
    let verdict = verdict.unwrap_or(Verdict::Failed(None));
    if let (Some(entered), Verdict::DoneAt(cost)) = (&mut entered, verdict) {
        entered.correct(cost);
    }
    let has_failed = matches!(verdict, Verdict::Failed(_));
    if let Some(entered) = entered {
        entered.finished(if has_failed { Outcome::Ignored } else { Outcome::Served });
    }
    if let Some(call) = call {
        if has_failed { call.failed() } else { call.succeeded() }
    }
    settle(shared, lease, verdict);
}

/// All that must let an item pass, the dependency's circuit before the limits: a probe that comes to nothing makes
/// place for another, but what was charged to a rate is not given back.
fn enter<J: Clone + Send + Sync + 'static>(
    shared: &Shared<J>,
    lease: &Held<J>,
) -> Result<(Option<Entered>, Option<Call<tenantkit_core::TenantId>>), Refusal> {
    let Shared { authority, limits, breaker, .. } = shared;
    authority.check(&lease.context, Door::Job)?;
    let call = breaker.as_ref().map(|it| it.call(lease.context.tenant())).transpose()?;
    let cost = Cost::new(lease.cost()).unwrap_or(Cost::ONE);
    let enter = limits.as_ref().map(|limits| limits.try_enter(&lease.context, cost));
    Ok((enter.transpose()?, call))
}

/// Polls a handler to its end, and renews the lease meanwhile. None if it panicked.
async fn finish<J, F>(
    shared: &Shared<J>,
    lease: &mut Held<J>,
    mut future: Pin<Box<F>>,
) -> Result<Option<Verdict>, LeaseLost>
where
    J: Clone + Send + Sync + 'static,
    F: Future<Output = Verdict>,
{
    let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(verdict)) => Poll::Ready(Some(verdict)),
        Err(_) => Poll::Ready(None),
    });
    let ended = renewing(caught, shared.lease / 2, lease).await;
    // What it drops is the handler's as well.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(future)));
    ended.map(|verdict| verdict.filter(|_| dropped.is_ok()))
}

/// Waits for an end, unless the lease is lost.
async fn renewing<J: Clone + Send + Sync + 'static, R>(
    end: impl Future<Output = R>,
    every: Duration,
    lease: &mut Held<J>,
) -> Result<R, LeaseLost> {
    let mut end = pin!(end);
    loop {
        tokio::select! {
            biased;
            end = &mut end => return Ok(end),
            () = time::sleep(every) => lease.renew()?,
        }
    }
}

/// A door said no: the tenant waits, or the item is dead.
fn refused<J: Clone + Send + Sync + 'static>(shared: &Shared<J>, lease: Held<J>, refusal: Refusal) {
    let wait = match refusal.code() {
        RefusalCode::Suspended => PARK,
        RefusalCode::RateLimited
        | RefusalCode::TooManyInFlight
        | RefusalCode::Overloaded
        | RefusalCode::CircuitOpen
        | RefusalCode::Moving => refusal.wait().unwrap_or(HOLD),
        _ => return dead(shared, lease),
    };
    count(&shared.counters.held);
    shared.queue.hold(lease.tenant(), wait);
    // If the lease was lost, the item is back already.
    _ = lease.release();
}

fn settle<J: Clone + Send + Sync + 'static>(shared: &Shared<J>, lease: Held<J>, verdict: Verdict) {
    let ended = match verdict {
        Verdict::Done => lease.complete(),
        Verdict::DoneAt(cost) => lease.complete_at(cost),
        Verdict::Dead => return dead(shared, lease),
        Verdict::Failed(told) => {
            let tenant = *lease.context.tenant();
            let again = {
                let mut attempts = lease.attempts.lock().unwrap_or_else(PoisonError::into_inner);
                attempts.again(&shared.budget, &tenant, told, None)
            };
            let Ok(wait) = again else { return dead(shared, lease) };
            count(&shared.counters.retried);
            _ = lease.retry_after(wait);
            return;
        }
    };
    // One that was lost is done again: at least once, not at most.
    if ended.is_ok() {
        count(&shared.counters.done);
    }
}

fn dead<J: Clone + Send + Sync + 'static>(shared: &Shared<J>, lease: Held<J>) {
    if let Some(keep) = &shared.dead_letters {
        let kept = catch_unwind(AssertUnwindSafe(|| keep(&lease.context, lease.job.clone())));
        if kept.is_err() {
            count(&shared.counters.panicked);
            // Not at once again, and again, and again.
            _ = lease.retry_after(HOLD);
            return;
        }
    }
    if lease.dead_letter().is_ok() {
        count(&shared.counters.dead);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
