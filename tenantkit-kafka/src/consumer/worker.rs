//! [`Worker`]: takes what is next from the queue, and sees it through one attempt.

mod letter;
mod span;

use std::{collections::HashMap, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tenantkit_core::{Refusal, TenantContext, TenantId};
use tenantkit_limit::{
    fair::LeaseLost,
    retry::{Attempts, GiveUp, RetryBudget, RetryPolicy},
};
use tokio::task::coop;

use self::span::Span;
use super::{
    Incoming,
    counters::Tally,
    failure::{Failure, Kind},
    lane::Lane,
    partition::Partition,
    policy::Proof,
    queue::Leased,
    reader::Shared,
    task::{Task, What},
    trace::Adopt,
};
use crate::dead_letter::{DeadLetters, Verdict};

/// How long a record is put off whose tenant may not just now, at first, and at most.
const PUT_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

pub(super) type Handling = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
pub(super) type Handler = Arc<dyn Fn(TenantContext, Vec<Incoming>) -> Handling + Send + Sync>;

/// What all workers share.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) handler: Handler,
    pub(super) letters: Arc<DeadLetters>,
    pub(super) retries: RetryPolicy,
    pub(super) budget: Arc<RetryBudget>,
    /// How many records a handler gets at most.
    pub(super) batch: usize,
    pub(super) trace: Adopt,
}

/// How an attempt ended.
enum Ended {
    Handled,
    Failed(Kind),
    /// The partition went away meanwhile.
    Cancelled,
}

impl Worker {
    /// Works until it is dropped, or the queue is closed.
    pub(super) async fn run(self: Arc<Self>) {
        while let Some(lease) = self.shared.queue.pop().await {
            // A handler need not wait for anything, nor need the queue. Others of the runtime are to run as well.
            coop::consume_budget().await;
            if self.batch == 1 {
                self.see_through(vec![lease]).await;
            } else {
                self.gather(lease).await;
            }
        }
    }

    /// What else is there just now, of whichever tenant is next, in one batch for each.
    async fn gather(&self, first: Leased) {
        let mut together: HashMap<Lane, Vec<Leased>> = HashMap::new();
        let mut alone = Vec::new();
        let more = std::iter::from_fn(|| self.shared.queue.try_pop());
        for lease in std::iter::once(first).chain(more.take(self.batch - 1)) {
            let is_to_handle = matches!(lease.what, What::Handle(_)) && lease.verdict().is_none();
            if is_to_handle && !lease.is_alone() {
                together.entry(*lease.tenant()).or_default().push(lease);
            } else {
                alone.push(vec![lease]);
            }
        }
        let batches = together.into_values().chain(alone);
        join_all(batches.map(|leases| self.see_through(leases))).await;
    }

    /// One attempt at records of one tenant.
    async fn see_through(&self, leases: Vec<Leased>) {
        let mut running = Vec::with_capacity(leases.len());
        for lease in leases {
            match Running::enter(&lease) {
                Some(guard) => running.push((lease, guard)),
                // Whoever has the partition now has the record.
                None => over(lease.complete()),
            }
        }
        let Some((first, _)) = running.first() else { return };
        let (task, lane) = (Arc::clone(first), *first.tenant());
        let tenant = match lane {
            Lane::Tenant(tenant) => Some(tenant),
            Lane::Unverified => None,
        };
        // What is given up comes alone.
        let given_up = match &task.what {
            What::Refuse(refusal) => Some(Verdict::refused(*refusal, tenant, 0)),
            What::Handle(_) => None,
        };
        if let Some(verdict) = task.verdict().or(given_up) {
            for (lease, _running) in running {
                self.bury(lease, verdict).await;
            }
            return;
        }
        let (What::Handle(proof), Some(tenant)) = (&task.what, tenant) else { return };
        let ended = self.attempt(proof, &tenant, &task, &running).await;
        let is_batch = running.len() > 1;
        for (lease, _running) in running {
            if is_batch && let Ended::Failed(kind) = ended {
                // Which of them failed is not known: each is tried by itself.
                lease.leave_alone();
                if let Kind::Permanent { .. } | Kind::Refused { .. } = kind {
                    // It was said of one of them at least, and may not be true of this one.
                    over(lease.retry_after(Duration::ZERO));
                    continue;
                }
            }
            self.settle(lease, &tenant, &ended).await;
        }
    }

    async fn attempt(
        &self,
        proof: &Proof,
        tenant: &TenantId,
        task: &Task,
        leases: &[(Leased, Running)],
    ) -> Ended {
        let records = leases.iter().map(|(lease, _)| Incoming {
            record: Arc::clone(&lease.record),
            attempt: self.attempts(lease, tenant, |attempts| attempts.made()),
            waited: lease.waited(),
        });
        let records: Vec<_> = records.collect();
        let context = match proof.context() {
            Ok(context) => context,
            Err(refusal) => return Ended::Failed(Kind::of(refusal)),
        };
        let span = Span::new(&context, &records, &self.trace);
        let handling = (self.handler)(context.clone(), records);
        let handling = match context.scope(handling) {
            Ok(handling) => AssertUnwindSafe(handling).catch_unwind(),
            Err(refusal) => return Ended::Failed(Kind::of(refusal)),
        };
        let limit = self.shared.settings.attempt_timeout;
        let ended = span.around(async {
            tokio::select! {
                biased;
                handled = tokio::time::timeout(limit, handling) => match handled {
                    Ok(Ok(Ok(()))) => Ended::Handled,
                    Ok(Ok(Err(failure))) => Ended::Failed(failure.kind),
                    Ok(Err(_panic)) => Ended::Failed(again("handler-panicked")),
                    Err(_elapsed) => Ended::Failed(again("handler-timed-out")),
                },
                () = task.partition.cancelled() => Ended::Cancelled,
            }
        });
        ended.await
    }

    async fn settle(&self, lease: Leased, tenant: &TenantId, ended: &Ended) {
        let Shared { counters, .. } = &*self.shared;
        let made = self.attempts(&lease, tenant, |attempts| attempts.made());
        let dead = |code, reason| Verdict {
            tenant: Some(*tenant),
            code,
            reason,
            attempts: made,
            is_parked: false,
        };
        match *ended {
            Ended::Handled => {
                counters.count(lease.tier, Tally::Handled);
                lease.partition.finish(lease.record.offset);
                over(lease.complete());
            }
            Ended::Cancelled => {
                counters.count(lease.tier, Tally::Cancelled);
                over(lease.complete());
            }
            Ended::Failed(Kind::Later { refusal }) => self.put_off(lease, refusal),
            Ended::Failed(Kind::Permanent { code }) => {
                self.bury(lease, dead("permanent", code)).await;
            }
            Ended::Failed(Kind::Refused { refusal }) => {
                self.bury(lease, Verdict::refused(refusal, Some(*tenant), made)).await;
            }
            Ended::Failed(Kind::Again { code, after }) => {
                let again = self.attempts(&lease, tenant, |attempts| {
                    attempts.again(&self.budget, tenant, after, None)
                });
                match again {
                    Ok(wait) => {
                        counters.count(lease.tier, Tally::Retried);
                        over(lease.retry_after(wait));
                    }
                    Err(give_up) => self.bury(lease, dead(why(give_up), code)).await,
                }
            }
        }
    }

    /// The attempts at a record, of which the first is counted when it is made.
    fn attempts<T>(
        &self,
        task: &Task,
        tenant: &TenantId,
        change: impl FnOnce(&mut Attempts) -> T,
    ) -> T {
        task.with_attempts(|| self.retries.first(&self.budget, tenant), change)
    }

    /// The tenant may not just now: all of it waits, and the record has lost no attempt.
    fn put_off(&self, lease: Leased, refusal: Refusal) {
        self.shared.counters.count(lease.tier, Tally::PutOff);
        let wait = refusal.wait().unwrap_or_else(|| doubled(PUT_OFF, lease.put_off()));
        self.shared.queue.hold(lease.tenant(), wait);
        over(lease.retry_after(wait));
    }
}

/// The record's partition has one handler more, until this is dropped.
struct Running(Arc<Partition>);

impl Running {
    fn enter(task: &Task) -> Option<Self> {
        let partition = Arc::clone(&task.partition);
        partition.enter().then(|| Self(partition))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A lease that was lost meanwhile is another's: the record is handled once more, which may always be.
fn over(_: Result<(), LeaseLost>) {}

const fn again(code: &'static str) -> Kind {
    Kind::Again { code, after: None }
}

fn why(give_up: GiveUp) -> &'static str {
    match give_up {
        GiveUp::BudgetSpent => "budget-spent",
        GiveUp::WaitTooLong => "wait-too-long",
        _ => "attempts-spent",
    }
}

/// Twice as long each time, up to a bound, and half of it by chance.
fn doubled((first, most): (Duration, Duration), times: u32) -> Duration {
    let bound = first.saturating_mul(1 << times.min(16)).min(most);
    bound.mul_f64(0.5 + fastrand::f64() / 2.0)
}
