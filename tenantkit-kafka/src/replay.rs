//! [`Replay`]: dead letters become records again.
//!
//! A dead letter goes back to its record's topic and partition with its record's key, payload and headers, as
//! they were: nothing signs it anew. So it goes back only if it is verified now, as the consumer would: a
//! record that was refused for its identity stays where it is, unless what was wrong was on the consumer's
//! side and was mended.
//!
//! ```no_run
//! # async fn replay(authority: tenantkit_core::Authority) -> Result<(), Box<dyn std::error::Error>> {
//! use tenantkit_kafka::Replay;
//!
//! let replayed = Replay::builder(&authority)
//!     .set("bootstrap.servers", "127.0.0.1:9092")
//!     .dead_letters("documents.dead")
//!     .tenant("acme".parse()?)
//!     .reason("handler-failed")
//!     .per_second(100)
//!     .build()?
//!     .run()
//!     .await?;
//! println!("{} went back, {} did not verify", replayed.replayed, replayed.refused);
//! # Ok(())
//! # }
//! ```
//!
//! A dead letter stays in its topic when it was replayed, and goes back again when it is replayed again: say
//! [`since`](ReplayBuilder::since) when. Handlers are idempotent anyway.

mod build;
mod letters;
mod send;

use std::{collections::BTreeMap, fmt, time::Duration};

use rdkafka::{ClientConfig, error::KafkaError};
use tenantkit_core::{TenantId, UnixTime};
use tokio::sync::mpsc;

pub use self::build::{InvalidReplay, ReplayBuilder};
use self::{letters::Letter, send::Sender};
use crate::consumer::Policy;

/// How many dead letters are read ahead of what is sent.
const AHEAD: usize = 64;

/// Sends dead letters back.
pub struct Replay {
    config: ClientConfig,
    topic: String,
    filter: Filter,
    policy: Policy,
    sender: Sender,
    pace: Option<Duration>,
    is_dry: bool,
}

/// Which dead letters.
#[derive(Debug, Clone, Default)]
struct Filter {
    tenant: Option<TenantId>,
    reason: Option<String>,
    since: Option<UnixTime>,
    until: Option<UnixTime>,
}

/// What became of the dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Records in the topic, until where it ended when this began.
    pub read: u64,
    /// Dead letters that were not asked for.
    pub others: u64,
    /// Records that are no dead letters.
    pub not_dead_letters: u64,
    /// Went back, and are acknowledged. In a dry run: would have.
    pub replayed: u64,
    /// Stay, because they do not verify.
    pub refused: u64,
    /// Of them, how many for which reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Stay, because the dead letter has not all of the record.
    pub cut: u64,
}

/// Why a replay ended early. What went back until then is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The dead letters cannot be read.
    #[error("the dead letters cannot be read")]
    Read(#[source] KafkaError),
    /// A record was not acknowledged. It may be in its topic all the same.
    #[error("a record was not acknowledged by its topic: after {} others", .replayed.replayed)]
    Send {
        /// What became of the others.
        replayed: Box<Replayed>,
        /// What the brokers said.
        #[source]
        source: KafkaError,
    },
}

impl Replay {
    /// A replay of records that this authority opens.
    #[must_use]
    pub fn builder(authority: &tenantkit_core::Authority) -> ReplayBuilder {
        ReplayBuilder::new(authority)
    }

    /// Sends back what was asked for, of all that is in the topic now. One at a time, each acknowledged before
    /// the next, so that the records of a key keep their order.
    ///
    /// # Errors
    ///
    /// When the dead letters cannot be read, or a record is not acknowledged.
    ///
    /// # Cancellation
    ///
    /// What went back is back; the one under way may be.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time.
    pub async fn run(self) -> Result<Replayed, ReplayError> {
        let Self { config, topic, filter, policy, sender, pace, is_dry } = self;
        let (into, mut letters) = mpsc::channel(AHEAD);
        let reading = tokio::task::spawn_blocking(move || letters::read(&config, &topic, &into));
        let mut replayed = Replayed::default();
        let mut pace = pace.map(tokio::time::interval);
        while let Some(letter) = letters.recv().await {
            replayed.read += 1;
            let Some(letter) = letter else {
                replayed.not_dead_letters += 1;
                continue;
            };
            if !filter.allows_letter(&letter) {
                replayed.others += 1;
                continue;
            }
            if letter.says.is_cut {
                replayed.cut += 1;
                continue;
            }
            match letter.verify(&policy) {
                Ok(tenant) if !filter.allows(&tenant) => {
                    replayed.others += 1;
                    continue;
                }
                Ok(_) => {}
                Err(refusal) => {
                    replayed.refused += 1;
                    *replayed.reasons.entry(refusal.reason().as_str()).or_default() += 1;
                    continue;
                }
            }
            if !is_dry {
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                if let Err(source) = sender.send(&letter).await {
                    let replayed = Box::new(replayed);
                    return Err(ReplayError::Send { replayed, source });
                }
            }
            replayed.replayed += 1;
        }
        match reading.await {
            Ok(read) => read.map_err(ReplayError::Read)?,
            Err(_) => return Err(ReplayError::Read(KafkaError::Canceled)),
        }
        Ok(replayed)
    }
}

impl Filter {
    fn allows_letter(&self, letter: &Letter) -> bool {
        let at = letter.at.unwrap_or(UnixTime::EPOCH);
        self.reason.as_ref().is_none_or(|reason| *reason == letter.says.reason)
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }

    /// By the tenant that was verified, and not the one that the letter names.
    fn allows(&self, tenant: &TenantId) -> bool {
        self.tenant.as_ref().is_none_or(|asked| asked == tenant)
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("topic", &self.topic).finish_non_exhaustive()
    }
}
