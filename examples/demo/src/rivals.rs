//! Two tenants that share acmedocs: one that calls as if it were alone, and one that is left alone.

use std::{sync::Arc, time::Duration};

use load::{Board, Generator, Running, Target, Tokens, cpu};

use crate::{Failed, World};

/// The tenant that calls too much.
pub const HEAVY: &str = "acme";
/// The tenant that does not.
pub const LIGHT: &str = "globex";
/// What both may do, and every other tenant: no tier has more than another.
pub const LIMITS: &str = include_str!("rivals/limits.toml");

/// The users of a tenant, each with a token of its own.
const USERS: usize = 20;
/// What an export costs at least, on one core.
const COST: Duration = Duration::from_millis(2);
/// How far beyond the machine's capacity the heavy tenant goes where nothing holds it back.
const EXCESS: f64 = 1.2;
/// Exports that are enough to know their cost.
const PROBES: u32 = 200;
/// Rounds that are enough to know what one of them costs.
const MANY: u32 = 33;
/// The most that acmedocs takes.
const ROUNDS: u32 = 3_200;

/// Exports that cost enough that the machine cannot serve what the heavy tenant wants.
#[derive(Debug, Clone, Copy)]
pub struct Exports {
    /// The rounds that each is asked for.
    pub rounds: u32,
    /// The processor time that each takes in acmedocs.
    pub cost: Duration,
}

impl Exports {
    /// Finds out what they have to be like, by some of the light tenant's.
    ///
    /// # Errors
    ///
    /// When acmedocs is no process of its own, or does not serve.
    pub async fn sized(world: &World, heavy: u32) -> Result<Self, Failed> {
        let capacity = Duration::from_secs(1).mul_f64(cpu::cores() as f64);
        let needed = (capacity.mul_f64(EXCESS) / heavy.max(1)).max(COST);
        // What an export costs without any, and what each of them costs.
        let (one, many) = (Self::probe(world, 1).await?, Self::probe(world, MANY).await?);
        let each = (many.saturating_sub(one) / (MANY - 1)).max(Duration::from_micros(1));
        let more = needed.saturating_sub(one).as_secs_f64() / each.as_secs_f64();
        let rounds = (more.ceil() as u32).saturating_add(1).min(ROUNDS);
        let cost = Self::probe(world, rounds).await?;
        Ok(Self { rounds, cost })
    }

    /// How many cores so many of them in a second need.
    #[must_use]
    pub fn cores(&self, rate: u32) -> f64 {
        self.cost.as_secs_f64() * f64::from(rate)
    }

    /// Exports of a tenant, with tokens for so long.
    #[must_use]
    pub fn of(&self, world: &World, tenant: &str, time: Duration) -> Target {
        let user =
            |from, at, user| world.idp.bearer(tenant, &format!("{tenant}-{at}-{user}"), from);
        Target {
            address: world.edge_address,
            path: "/v1/exports".to_owned(),
            body: format!(r#"{{"rounds":{}}}"#, self.rounds),
            tokens: Tokens::mint(time, |from, at| {
                (0..USERS).map(|it| user(from, at, it)).collect()
            }),
        }
    }

    /// Lets a tenant's clients call until the answer is dropped.
    ///
    /// # Errors
    ///
    /// When there is no thread left.
    pub fn start(
        &self,
        world: &World,
        tenant: &str,
        rate: u32,
        time: Duration,
        board: &Arc<Board>,
    ) -> Result<Running, Failed> {
        Ok(Generator::new(self.of(world, tenant, time), rate).start(Arc::clone(board))?)
    }

    async fn probe(world: &World, rounds: u32) -> Result<Duration, Failed> {
        let process = world.process_id().ok_or("acmedocs is no process of its own")?;
        let body = format!(r#"{{"rounds":{rounds}}}"#);
        let bearer = format!("Bearer {}", world.idp.bearer(LIGHT, "probe", crate::issuer::now()));
        let mut before = cpu::taken(&[process])?;
        // The first ones fill caches.
        for at in 0..PROBES + 10 {
            if at == 10 {
                before = cpu::taken(&[process])?;
            }
            let headers = [("authorization", bearer.as_str())];
            let answer =
                world.edge.call(hyper::Method::POST, "/v1/exports", &headers, Some(&body)).await?;
            if !answer.status.is_success() {
                return Err(format!("an export was not served: {answer}").into());
            }
        }
        Ok((cpu::taken(&[process])? - before) / PROBES)
    }
}
