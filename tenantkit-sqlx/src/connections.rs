//! [`Connections`]: how much of a pool one tenant may have.
//!
//! Two things are counted, because they do not end together. A *transaction* is over when the caller has
//! committed, rolled back or dropped it: who has as many as it may have is refused the next at once, or
//! waits for its turn. A *connection* is back when the pool has it again, or has closed it, which takes
//! a round trip more, or a rollback: for that alone nobody is refused, and the next transaction waits.

use std::{fmt, num::NonZeroU32, time::Duration};

use tenantkit_core::{Door, Reason, Refusal, TenantContext, TenantId, Tier};
use tenantkit_limit::concurrency::{Cap, ConcurrencyLimiter, InvalidLimit, Limit, Permit, Sharing};

use crate::{Error, share::Share};

/// How many connections of a pool one tenant may hold
/// ([`connections_per_tenant`](crate::TenantPoolBuilder::connections_per_tenant)).
///
/// ```no_run
/// use std::time::Duration;
///
/// use tenantkit_core::{Authority, Tier};
/// use tenantkit_sqlx::{Connections, Error, TenantPool};
///
/// # async fn example(authority: &Authority, bronze: Tier) -> Result<TenantPool, Error> {
/// let pool = TenantPool::builder(authority)
///     .options(|options| options.max_connections(32))
///     // A quarter of the pool for each tenant, and at most 2 connections for those of one tier.
///     .connections_per_tenant(Connections::percent(25))
///     .connections_per_tenant_of(bronze, Connections::at_most(2))
///     // What runs on them ends, too.
///     .statement_timeout(Duration::from_secs(30))
///     .statement_timeout_of(bronze, Duration::from_secs(5))
///     .connect("postgres://acmedocs_app@localhost/acmedocs")
///     .await?;
/// # Ok(pool)
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number(u32),
    Percent(u8),
}

impl Connections {
    /// Half of the pool: what a tenant may hold where only a tier was spoken of.
    pub const HALF: Self = Self::percent(50);

    /// So many. `connect` refuses none, and more than the pool has.
    #[must_use]
    pub const fn at_most(number: u32) -> Self {
        Self(Kind::Number(number))
    }

    /// So much of the pool, in percent: rounded down, and at least one. `connect` refuses 0, and more
    /// than 100.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        Self(Kind::Percent(percent))
    }

    /// How many that are of a pool, but for those that are kept for others.
    fn of(self, pool: NonZeroU32) -> Result<u32, Error> {
        let all = pool.get();
        let number = match self.0 {
            Kind::Number(number) => number,
            Kind::Percent(percent @ 1..=100) => {
                Sharing::DEFAULT.tenant_percent(percent).share_of(all)
            }
            Kind::Percent(_) => 0,
        };
        if !(1..=all).contains(&number) {
            return Err(Error::ConnectionCap { cap: self, pool: all });
        }
        Ok(number.min(all - SHARING.reserve_of(all)))
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self::HALF
    }
}

impl fmt::Display for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Number(number) => write!(f, "{number} connections"),
            Kind::Percent(percent) => write!(f, "{percent} % of the connections"),
        }
    }
}

/// A tenth of the pool is kept for tenants that hold no connection. How much of the rest one may have,
/// its cap says.
const SHARING: Sharing = Sharing::DEFAULT.tenant_percent(100);

/// What was asked for, before the size of the pool is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Whether anything was said.
    capped: bool,
    otherwise: Connections,
    pub(crate) by_tier: Vec<(Tier, Connections)>,
    wait: Duration,
}

impl Wanted {
    pub(crate) const fn otherwise(&mut self, most: Connections) {
        self.capped = true;
        self.otherwise = most;
    }

    pub(crate) fn of_tier(&mut self, tier: Tier, most: Connections) {
        self.capped = true;
        self.by_tier.retain(|(of, _)| *of != tier);
        self.by_tier.push((tier, most));
    }

    pub(crate) const fn wait(&mut self, wait: Duration) {
        self.capped = true;
        self.wait = wait;
    }

    /// The caps on the tenants of a pool of that size, if there are any.
    pub(crate) fn of(&self, pool: u32) -> Result<Option<Caps>, Error> {
        if !self.capped {
            return Ok(None);
        }
        let impossible = Error::ConnectionCap { cap: self.otherwise, pool };
        let Some(pool) = NonZeroU32::new(pool) else { return Err(impossible) };
        let otherwise = Cap::of(self.otherwise.of(pool)?);
        let by_tier = self
            .by_tier
            .iter()
            .map(|(tier, most)| Ok((*tier, Cap::of(most.of(pool)?))))
            .collect::<Result<_, Error>>()?;
        let (transactions, connections) = limiters(pool.get()).map_err(|_| impossible)?;
        Ok(Some(Caps { otherwise, by_tier, wait: self.wait, transactions, connections }))
    }
}

fn limiters(pool: u32) -> Result<(ConcurrencyLimiter, ConcurrencyLimiter), InvalidLimit> {
    let transactions = ConcurrencyLimiter::builder().sharing(SHARING.reserve_percent(0)).build()?;
    // Each that waits has its transaction counted, so that of one tenant few do.
    let each = u16::try_from(pool).unwrap_or(u16::MAX);
    let connections = ConcurrencyLimiter::builder()
        .global(Limit::fixed(pool.min(Limit::MAX)))
        .sharing(SHARING)
        .waiters(each, IN_LINE)
        .build()?;
    Ok((transactions, connections))
}

/// How many transactions may wait for a connection, of all tenants.
const IN_LINE: u32 = 4096;

/// The caps on the tenants of a pool.
#[derive(Debug)]
pub(crate) struct Caps {
    otherwise: Cap,
    by_tier: Vec<(Tier, Cap)>,
    wait: Duration,
    transactions: ConcurrencyLimiter,
    connections: ConcurrencyLimiter,
}

impl Caps {
    /// Waits until the tenant may have one connection more.
    ///
    /// Who has all it may have waits no longer than was said. Who has less waits for as long as it is
    /// let to, as one does where the pool is busy.
    pub(crate) async fn take(&self, tenant: &TenantContext) -> Result<Share, Error> {
        let cap = self.cap(tenant.tier());
        let transaction = self.transaction(tenant.tenant(), cap).await?;
        let connection = self.connections.acquire(tenant.tenant(), cap).await;
        Ok(Share::new(transaction, connection.map_err(at_this_door)?))
    }

    /// For how long somebody may wait here in addition to what the pool lets wait.
    pub(crate) const fn wait(&self) -> Duration {
        self.wait
    }

    /// How many connections the tenant holds, also those that are on their way back.
    pub(crate) fn held(&self, tenant: &TenantId) -> u32 {
        self.connections.held(tenant, Cap::of(0).resource())
    }

    async fn transaction(&self, tenant: &TenantId, cap: Cap) -> Result<Permit, Refusal> {
        if self.wait.is_zero() {
            return self.transactions.try_acquire(tenant, cap).map_err(at_this_door);
        }
        match tokio::time::timeout(self.wait, self.transactions.acquire(tenant, cap)).await {
            Ok(permit) => permit.map_err(at_this_door),
            Err(_) => Err(Refusal::new(Reason::ConcurrencyExceeded, Door::Transaction)),
        }
    }

    fn cap(&self, tier: Tier) -> Cap {
        let found = self.by_tier.iter().find(|(of, _)| *of == tier);
        found.map_or(self.otherwise, |(_, cap)| *cap)
    }
}

fn at_this_door(refusal: Refusal) -> Refusal {
    Refusal::new(refusal.reason(), Door::Transaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(most: Connections, pool: u32) -> Option<u32> {
        most.of(NonZeroU32::new(pool).unwrap()).ok()
    }

    #[test]
    fn a_cap_is_at_least_one_and_leaves_some_for_others() {
        let half = [1, 2, 3, 5, 10, 32].map(|pool| of(Connections::default(), pool).unwrap());
        assert_eq!(half, [1, 1, 1, 2, 5, 16]);
        let all = [1, 2, 3, 10, 11, 32].map(|pool| of(Connections::percent(100), pool).unwrap());
        assert_eq!(all, [1, 1, 2, 9, 9, 28]);
        assert_eq!(of(Connections::at_most(7), 10), Some(7));
        assert_eq!(of(Connections::at_most(10), 10), Some(9));
        assert_eq!(of(Connections::percent(1), 10), Some(1));
    }

    #[test]
    fn the_last_word_on_a_tier_counts_and_the_others_stay() {
        let tier = |name| tenantkit_core::TierSet::METALS.get(name).unwrap();
        let mut wanted = Wanted::default();
        wanted.of_tier(tier("bronze"), Connections::at_most(1));
        wanted.of_tier(tier("gold"), Connections::at_most(2));
        wanted.of_tier(tier("bronze"), Connections::at_most(3));
        let caps = wanted.of(10).unwrap().unwrap();
        let permits = ["bronze", "gold", "silver"].map(|name| caps.cap(tier(name)).permits());
        assert_eq!(permits, [3, 2, 5]);
    }

    #[test]
    fn an_impossible_cap_is_told_with_what_is_possible() {
        let told =
            |most: Connections| most.of(NonZeroU32::new(8).unwrap()).unwrap_err().to_string();
        assert_eq!(
            told(Connections::at_most(9)),
            "a tenant cannot be let to hold 9 connections: the pool has 8, and it is 1 to 8 of them, \
             or 1 to 100 %"
        );
        assert!(told(Connections::percent(0)).contains("hold 0 % of the connections:"));
    }

    #[test]
    fn a_cap_of_nothing_or_of_more_than_there_is_is_refused() {
        let none = [Connections::at_most(0), Connections::at_most(11)];
        let percents = [Connections::percent(0), Connections::percent(101)];
        for most in none.into_iter().chain(percents) {
            assert_eq!(of(most, 10), None, "{most}");
        }
        let mut wanted = Wanted::default();
        assert!(wanted.of(0).unwrap().is_none());
        wanted.otherwise(Connections::HALF);
        assert!(matches!(wanted.of(0), Err(Error::ConnectionCap { pool: 0, .. })));
        assert!(wanted.of(u32::MAX).unwrap().is_some());
    }
}
