//! `acmedocs replay`: changes that could not be indexed go back to the indexer, once what was wrong is mended.

use tenantkit::{
    InvalidTenantId, TenantId,
    kafka::{InvalidReplay, Replay, ReplayBuilder, ReplayError, Replayed},
};

use crate::{
    Config,
    authority::{self, AuthorityError},
};

/// How it is called.
pub const USAGE: &str = "acmedocs replay CONFIG [--tenant ID] [--reason WORD] [--dry]";

/// Which of them.
#[derive(Debug, Default)]
pub struct Asked {
    tenant: Option<TenantId>,
    reason: Option<String>,
    is_dry: bool,
}

/// Why nothing, or not all, went back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is called in another way.
    #[error("{USAGE}")]
    Usage,
    /// The tenant is none.
    #[error("--tenant: {0}")]
    Tenant(#[from] InvalidTenantId),
    /// Nothing is published, so there are no dead letters.
    #[error("kafka: missing from the configuration")]
    NoKafka,
    /// The keys or the tenants are not as they should be.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The client does not take the brokers.
    #[error("kafka: {0}")]
    Build(#[from] InvalidReplay),
    /// It ended early.
    #[error("kafka: {0}")]
    Ended(#[from] ReplayError),
}

impl Asked {
    /// Reads what follows the configuration's name.
    ///
    /// # Errors
    ///
    /// Says what it may be.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut asked = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--tenant" => asked.tenant = Some(arguments.next().ok_or(Error::Usage)?.parse()?),
                "--reason" => asked.reason = Some(arguments.next().ok_or(Error::Usage)?),
                "--dry" => asked.is_dry = true,
                _ => return Err(Error::Usage),
            }
        }
        Ok(asked)
    }
}

/// Sends back what was asked for, as it was: what does not verify now stays where it is.
///
/// # Errors
///
/// Names the key of the configuration that is wrong, or says why it ended early.
pub async fn replay(config: &Config, asked: Asked) -> Result<Replayed, Error> {
    let kafka = config.kafka.as_ref().ok_or(Error::NoKafka)?;
    let replay = Replay::builder(&authority::documents(config)?)
        .set("bootstrap.servers", &kafka.brokers)
        .dead_letters(&kafka.dead_letter_topic);
    let replay = asked.tenant.into_iter().fold(replay, ReplayBuilder::tenant);
    let replay = asked.reason.iter().fold(replay, |replay, reason| replay.reason(reason));
    let replay = if asked.is_dry { replay.dry() } else { replay };
    Ok(replay.build()?.run().await?)
}
