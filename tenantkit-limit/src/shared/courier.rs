//! [`Courier`]: carries to Redis what tenants took, and back what they may take.

use std::{collections::VecDeque, convert::Infallible, fmt, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, Script, aio::MultiplexedConnection,
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Inner, SharedRates,
    account::{Account, Answer, Ask},
    accounts::Key,
    script,
    status::{Because, count},
};
use crate::quota::Quota;

/// The first wait after a failure is at most this.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// No wait after a failure is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often it looks whether enough was decided for a call, and how long it rests after one.
const LOOK: Duration = Duration::from_millis(20);

/// The one task of [`SharedRates`] that speaks with Redis: one call at a time, for all tenants that
/// wait for one.
#[must_use = "nothing is shared unless it runs"]
pub struct Courier {
    inner: Arc<Inner>,
    client: Client,
    prefix: String,
    deadline: Duration,
    script: Script,
    connection: Option<MultiplexedConnection>,
    /// When leases end, the first first.
    leases: VecDeque<(u64, Key)>,
    /// The decisions that calls were made for.
    paid: u64,
}

impl Courier {
    pub(super) fn new(
        inner: Arc<Inner>,
        client: Client,
        prefix: String,
        deadline: Duration,
    ) -> Self {
        Self {
            inner,
            client,
            prefix,
            deadline,
            script: script::script(),
            connection: None,
            leases: VecDeque::new(),
            paid: 0,
        }
    }

    /// Carries, for ever: spawn it on a tokio runtime.
    ///
    /// # Cancellation
    ///
    /// Dropped, tenants have their safe share from then on.
    pub async fn run(mut self) -> Infallible {
        loop {
            self.come_together().await;
            let because = loop {
                self.due_and_worth_it().await;
                if let Err(because) = self.call().await {
                    break because;
                }
            };
            self.part(because);
        }
    }

    /// Tries until Redis answers. All processes lost it at one moment, so each waits a random while.
    async fn come_together(&mut self) {
        let mut at_most = FIRST_WAIT;
        loop {
            match self.converse(&[]).await {
                Ok(_) => return self.inner.mode.join(),
                Err(because) => self.part(because),
            }
            sleep(at_most.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            at_most = (at_most * 2).min(LONGEST_WAIT);
        }
    }

    fn part(&mut self, because: Because) {
        self.connection = None;
        self.inner.mode.part(because, self.inner.now());
        // Nobody waits for what does not come.
        for key in self.inner.due.take(usize::MAX) {
            self.inner.accounts.with(&key, Account::failed);
        }
    }

    /// Waits until somebody is due, and then for company: for as many decisions as pay for a call, or
    /// for as long as one may have to wait.
    async fn due_and_worth_it(&mut self) {
        let last = Instant::now();
        loop {
            let due = &self.inner.due;
            due.some(self.until_a_lease_ends()).await;
            self.lapse();
            if self.inner.due.len() > 0 {
                break;
            }
        }
        let enough = || {
            let (since, decided) = (last.elapsed(), self.inner.mode.decisions() - self.paid);
            self.inner.due.len() >= SharedRates::ACCOUNTS_A_CALL
                || since >= SharedRates::LINGER
                || (since >= LOOK && decided >= SharedRates::DECISIONS_A_CALL)
        };
        while !enough() {
            sleep(LOOK).await;
        }
        self.paid = self.inner.mode.decisions();
    }

    fn until_a_lease_ends(&self) -> Duration {
        let now = self.inner.nanos();
        let next = self.leases.front().map(|(until, _)| until.saturating_sub(now));
        next.map_or(LONGEST_WAIT, Duration::from_nanos)
    }

    fn lapse(&mut self) {
        let now = self.inner.nanos();
        while let Some((_, key)) = self.leases.pop_front_if(|(until, _)| *until <= now) {
            let lapses = |account: &mut Account| account.lapses(now, &self.inner.spans);
            if self.inner.accounts.with(&key, lapses) == Some(true) {
                self.inner.due.add(key);
            }
        }
    }

    /// One call, for all who are due.
    async fn call(&mut self) -> Result<(), Because> {
        let (inner, now) = (Arc::clone(&self.inner), self.inner.nanos());
        let keys = inner.due.take(SharedRates::ACCOUNTS_A_CALL);
        let asks: Vec<_> = keys
            .iter()
            .filter_map(|key| {
                let ask = inner
                    .accounts
                    .with(key, |account| (account.ask(now, &inner.spans), *account.quota()));
                ask.map(|(ask, quota)| (*key, ask, quota))
            })
            .collect();
        let answers = match self.converse(&asks).await {
            Ok(answers) => answers,
            Err(because) => {
                for (key, ..) in &asks {
                    inner.accounts.with(key, Account::failed);
                }
                return Err(because);
            }
        };
        let heard = inner.nanos();
        for ((key, ..), answer) in asks.iter().zip(&answers) {
            count(&inner.mode.leased, u64::from(answer.leased));
            let (until, due) = inner
                .accounts
                .with(key, |account| {
                    let until = account.hear(answer, now, heard, &inner.spans);
                    (until, account.becomes_due(heard))
                })
                .unwrap_or_default();
            self.leases.extend(until.map(|until| (until, *key)));
            if due {
                inner.due.add(*key);
            }
        }
        Ok(())
    }

    /// Asks, and hears the answers, before the deadline.
    async fn converse(&mut self, asks: &[(Key, Ask, Quota)]) -> Result<Vec<Answer>, Because> {
        let conversed = timeout(self.deadline, self.ask(asks)).await.unwrap_or(Err(Because::Slow));
        if conversed.is_err() {
            count(&self.inner.mode.failed_calls, 1);
        }
        conversed
    }

    async fn ask(&mut self, asks: &[(Key, Ask, Quota)]) -> Result<Vec<Answer>, Because> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                // The deadline is over both, and is ours.
                let plain = AsyncConnectionConfig::new()
                    .set_connection_timeout(None)
                    .set_response_timeout(None);
                self.client
                    .get_multiplexed_async_connection_with_config(&plain)
                    .await
                    .map_err(|error| because(&error))?
            }
        };
        let mut call = self.script.prepare_invoke();
        for ((tenant, resource), ask, quota) in asks {
            // In braces: all that is kept of a tenant has one place, also in a cluster. None of the
            // parts can have a colon or a brace but the first, which is the same in all keys.
            let (prefix, resource) = (&self.prefix, self.inner.resource(*resource));
            script::add(&mut call, format!("{prefix}:{{{tenant}}}:{resource}"), ask, quota);
        }
        count(&self.inner.mode.calls, 1);
        let value = call.invoke_async(&mut connection).await.map_err(|error| because(&error))?;
        let windows = asks.iter().map(|(_, _, quota)| quota.windows().len());
        let answers = script::answers(value, windows).map_err(|_| Because::Unreadable)?;
        self.connection = Some(connection);
        Ok(answers)
    }
}

fn because(error: &RedisError) -> Because {
    match error.kind() {
        ErrorKind::Io => Because::Unreachable,
        _ if error.is_timeout() => Because::Slow,
        _ => Because::Refused,
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.part(Because::Stopped);
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the client, which may have a password.
        f.debug_struct("Courier").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
