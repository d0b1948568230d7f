//! [`SharedRates`]: a tenant's rate is one, however many processes serve it, through Redis or Valkey.
//!
//! ```no_run
//! use std::num::NonZeroU32;
//! use tenantkit_limit::{limits::Limits, shared::SharedRates};
//! # use tenantkit_core::Authority;
//! # use tenantkit_limit::policy::LimitPolicy;
//!
//! # fn main() {}
//! # async fn start(authority: Authority, policy: LimitPolicy) -> Result<(), Box<dyn std::error::Error>> {
//! let processes = NonZeroU32::new(4).ok_or("at least one")?;
//! let (shared, courier) = SharedRates::builder("redis://127.0.0.1", processes)
//!     .prefix("acmedocs:rate")
//!     .build()?;
//! tokio::spawn(courier.run());
//! let limits = Limits::builder(&authority, policy).shared(shared.clone()).build()?;
//!
//! println!("{:?}", shared.status().sharing); // for a gauge: `Together`, or `Apart` and why
//! # let _ = limits;
//! # Ok(())
//! # }
//! ```
//!
//! # How
//!
//! Redis keeps one level for each window of a tenant's quota (`lease.lua`, in the server's own time). A
//! process *leases* tokens, which are counted there at once and can be spent here for a [term]. No
//! request waits for Redis: it is decided from what the process holds, in memory, and one task, the
//! [`Courier`], asks for more before that is gone. Who comes first, before there is a lease, is let in on
//! *credit*, which Redis hears of in the next call. What ended unspent is given back, as far as time has
//! not given it back already. All windows of a quota are decided together, here and there.
//!
//! # How often Redis is asked
//!
//! One call is one command, and so one round trip, for all tenants that wait for one, up to 512 of them;
//! the script that it runs asks for the time once, and reads and writes one key a tenant. After one call the next is made when
//! 50 requests have been decided, and 20 ms have passed; or after 200 ms; and only if somebody waits. So:
//!
//! - at 250 decisions a second or more, a process makes **at most one call for 50 requests**, and never
//!   more than 50 calls a second but when more than 512 tenants wait at once;
//! - at fewer, there are at most 5 calls a second, however many tenants there are;
//! - a process that nobody asks anything calls nothing, but to give back what ended unspent.
//!
//! A tenant that was not there a moment ago may have to wait 200 ms for its first lease, and has its
//! credit until then.
//!
//! # How much too much there can be
//!
//! Let N be the processes, b the smallest burst of the quota, and D = b / 2N, rounded up, the credit of a
//! process. In any span of time T, in each window, all processes together allow at most
//!
//! > burst + rate * T + **rate * term + N * max(D, C)**
//!
//! where C is the largest cost of a single call, which has credit where nothing else is owed: with calls
//! of cost 1 that is `rate * term + b / 2`, and N for rounding. Counted from a moment at which the tenant
//! was idle, without `rate * term`.
//!
//! *What is leased or on credit.* Call Λ the level that Redis would have if it had heard of everything:
//! Λ <= burst + N * D at all times. For a lease is only given up to a level of burst, while at most D are
//! unheard of in each process. And credit is only given while the level that the process last heard of,
//! drained since, has room for all that it owes. Look at a moment t, and of all answers from which some
//! process has given credit since the last lease at the one that Redis gave last, at r. What Redis had at
//! r fits into the burst by t. What it had not was unheard of at r or came after it. All of that was
//! credit, and each process gave its part on answers no later than r: so before it heard anything newer,
//! and in that time it gives at most D. Hence N * D. Where no credit was given since the last lease, the
//! level was at most burst then.
//!
//! *What is spent.* A token is spent at most a term after Redis counted it: what is spent within T was
//! counted within T + term, which is burst + rate * (T + term) + N * D. (What a process measures of the
//! term starts before Redis counts, and what it takes for drained after, so delays only make it less.)
//!
//! What is not in the bound, and why:
//!
//! - A process that dies takes with it what it owed: at most D more for each death. What it had leased is
//!   lost to the tenant until it has drained.
//! - An answer that is lost was counted all the same: what is told again is counted twice.
//! - [`correct`](crate::limits::Entered::correct) upwards is debt, as it is in one process. Downwards it
//!   gives back only within the term.
//! - A Redis that forgets (flushed, restarted empty, short of memory with a policy that evicts, or a
//!   replica that lags and takes over) has forgotten what was taken: at most another burst, for each
//!   time.
//! - A step of the server's clock, forth or back, is at most worth `rate * step`, and no more than another
//!   burst.
//! - More processes than were declared: N is as many as there are.
//!
//! # When Redis is slow or gone
//!
//! A call that has no answer by its [deadline], or any error: from then on each process allows its
//! [`safe_share`] of each quota, count / N and burst / N of each window, never less than one. Together
//! that is no more than the quota, where it has at least N. A tenant is never unlimited and never shut out.
//! [`SharedRates::status`] says so and why, and [`Standings::basis`] says so to each call. Processes try
//! again after 100 ms at most, then after twice as long each time up to 2 s, each a random while; the
//! first answer brings them together again. What was taken apart is told then, as far as it is not
//! earned back.
//!
//! A span that begins before and ends within an outage has at most a burst more, that of the shares; and
//! one that also goes beyond it as many as above for a Redis that forgets.
//!
//! The same holds for an account that has been waiting for a call for longer than the deadline and 400 ms,
//! whoever's fault it is, and for newcomers when there is
//! [no room](SharedRatesBuilder::most_accounts): for these as long as they find none.
//!
//! # What is in Redis
//!
//! `prefix:{tenant}:resource`, a short text, which expires when all is earned back. A value that is not
//! ours counts as a tenant that has taken everything, and is replaced. A user of Redis' access lists needs
//! `~prefix:* +evalsha +script|load +time +get +set +del`. It is for one server with its replicas, or a proxy that looks like one; in a cluster, only
//! for what lives in one slot, because one call is for many tenants.
//!
//! `rediss://` works where the application turns on a TLS feature of the `redis` crate.
//!
//! [term]: SharedRatesBuilder::term
//! [deadline]: SharedRatesBuilder::deadline
//! [`Standings::basis`]: crate::limits::Standings::basis

mod account;
mod accounts;
mod builder;
mod courier;
mod due;
mod script;
mod status;
mod terms;

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use redis::IntoConnectionInfo;
use tenantkit_core::Clock;

use self::{
    account::{Account, Spans},
    accounts::{Accounts, AtCapacity, Key},
    due::Due,
    status::{Mode, count},
};
pub(crate) use self::{
    account::{Each, Taken},
    terms::Terms,
};
pub use self::{
    builder::{InvalidShared, SharedRatesBuilder},
    courier::Courier,
    status::{Because, Counts, Sharing, Status},
    terms::safe_share,
};
use crate::{concurrency::Resource, quota::Cost, rate::Denial};

/// The rates of several processes, as one. Clones are the same.
///
/// See the [module](self) for what it promises.
#[derive(Clone)]
pub struct SharedRates {
    inner: Arc<Inner>,
}

struct Inner {
    accounts: Accounts,
    spans: Spans,
    processes: NonZeroU32,
    mode: Mode,
    due: Due,
    bound: OnceLock<Bound>,
}

/// What the limits that these rates are for know.
struct Bound {
    clock: Arc<dyn Clock>,
    /// By number.
    resources: Vec<Box<str>>,
}

impl SharedRates {
    /// A call to Redis is made after so many decisions,
    pub const DECISIONS_A_CALL: u64 = 50;
    /// or so long after the one before, whichever is first,
    pub const LINGER: Duration = Duration::from_millis(200);
    /// or when so many accounts wait for one, which is as many as it takes.
    pub const ACCOUNTS_A_CALL: usize = 512;

    /// Shares through this server, `redis://user:password@host:port/database`, among so many processes.
    ///
    /// Count those that may run at once: while a deployment replaces one after the other, there is one
    /// more. What is safe for each, and how much they may be beyond a quota, is by this number.
    pub fn builder(server: impl IntoConnectionInfo, processes: NonZeroU32) -> SharedRatesBuilder {
        SharedRatesBuilder::new(server, processes)
    }

    /// Whether processes hear of each other now, and what came of it so far.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.mode.status()
    }

    /// How many pairs of tenant and resource are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.accounts.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn processes(&self) -> NonZeroU32 {
        self.inner.processes
    }

    /// Makes these the rates of limits with this clock, whose resources have these names by number.
    /// Only once, and says whether it was.
    pub(crate) fn bind(&self, clock: &Arc<dyn Clock>, resources: Vec<Box<str>>) -> bool {
        self.inner.bound.set(Bound { clock: Arc::clone(clock), resources }).is_ok()
    }

    /// Takes `cost`, or nothing, unless this process is on its own. `apart` is what the tenant took
    /// of its safe share that it has not earned back.
    pub(crate) fn take(
        &self,
        key: &Key,
        terms: &Arc<Terms>,
        cost: Cost,
        now: Duration,
        apart: &dyn Fn() -> u32,
    ) -> Verdict {
        let (inner, cost) = (&*self.inner, cost.get());
        let verdict = inner.decide(key, terms, now, apart, |account, now| {
            account.take(cost, now, &inner.spans).map(Some)
        });
        if let Verdict::Decided { taken: Ok(Some(Taken { on_credit: true, .. })), .. } = verdict {
            count(&inner.mode.on_credit, u64::from(cost));
        }
        verdict
    }

    /// What [`take`](Self::take) would say.
    pub(crate) fn peek(
        &self,
        key: &Key,
        terms: &Arc<Terms>,
        cost: Cost,
        now: Duration,
        apart: &dyn Fn() -> u32,
    ) -> Verdict {
        let inner = &*self.inner;
        inner.decide(key, terms, now, apart, |account, now| {
            account.peek(cost.get(), now, &inner.spans).map(|()| None)
        })
    }

    /// A request was decided, together or by the safe share of this process.
    pub(crate) fn decided(&self, apart: bool) {
        count(&self.inner.mode.decided, 1);
        count(&self.inner.mode.decided_apart, u64::from(apart));
    }

    /// How the tenant stands, unless this process is on its own or knows nothing of it.
    pub(crate) fn each(&self, key: &Key, now: Duration) -> Option<Each> {
        self.inner.mode.together()?;
        self.inner.accounts.with(key, |account| account.each(nanos(now)))
    }

    /// Makes what was taken what the call has cost in truth. Answers what could not be taken.
    pub(crate) fn correct(
        &self,
        key: &Key,
        terms: &Arc<Terms>,
        taken: Taken,
        cost: Cost,
        actual: u32,
        now: Duration,
    ) -> u32 {
        let inner = &*self.inner;
        let correct = |account: &mut Account, now: u64| {
            if let Some(less) = cost.get().checked_sub(actual) {
                account.give_back(less, taken.until, now);
                return 0;
            }
            account.force(actual - cost.get())
        };
        inner.change(key, terms, now, &|| 0, correct).unwrap_or(0)
    }
}

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Decided, for all processes.
    Decided {
        /// What was taken, if that was asked for.
        taken: Result<Option<Taken>, Denial>,
        /// How the tenant stands after it.
        each: Each,
    },
    /// This process is on its own.
    Apart,
}

impl Inner {
    fn decide(
        &self,
        key: &Key,
        terms: &Arc<Terms>,
        now: Duration,
        apart: &dyn Fn() -> u32,
        decide: impl FnOnce(&mut Account, u64) -> Result<Option<Taken>, Denial>,
    ) -> Verdict {
        let decided = self.change(key, terms, now, apart, |account, now| {
            if account.is_forsaken(now, &self.spans) {
                return None;
            }
            let taken = decide(account, now);
            Some((taken, account.each(now)))
        });
        match decided {
            Some(Some((taken, each))) => Verdict::Decided { taken, each },
            _ => Verdict::Apart,
        }
    }

    /// Changes an account, and has Redis hear of it where it should. Nothing while on its own.
    fn change<R>(
        &self,
        key: &Key,
        terms: &Arc<Terms>,
        now: Duration,
        apart: &dyn Fn() -> u32,
        change: impl FnOnce(&mut Account, u64) -> R,
    ) -> Option<R> {
        let (epoch, now) = (self.mode.together()?, nanos(now));
        let changed = self.accounts.change(key, terms, now, epoch, apart, |account| {
            let changed = change(account, now);
            (changed, account.becomes_due(now))
        });
        match changed {
            Ok((changed, due)) => {
                if due {
                    self.due.add(*key);
                }
                Some(changed)
            }
            Err(AtCapacity) => {
                count(&self.mode.decided_at_capacity, 1);
                None
            }
        }
    }

    fn resource(&self, resource: Resource) -> &str {
        let bound = self.bound.get();
        let name = bound.and_then(|bound| bound.resources.get(resource.number()));
        // Keys only come from limits, which bound these rates with a name for each.
        name.map_or("", |name| name)
    }

    /// Before there is anything to decide it is zero.
    fn now(&self) -> Duration {
        self.bound.get().map_or(Duration::ZERO, |bound| bound.clock.monotonic())
    }

    fn nanos(&self) -> u64 {
        nanos(self.now())
    }
}

/// In nanoseconds, for 584 years.
fn nanos(now: Duration) -> u64 {
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for SharedRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRates")
            .field("accounts", &self.len())
            .field("processes", &self.inner.processes)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
