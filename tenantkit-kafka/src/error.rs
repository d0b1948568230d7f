//! What goes wrong at the doors of this crate.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};
use tenantkit_core::{Door, Reason, Refusal};

/// Why a record was not produced, or may not have been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A door said no. Nothing was sent.
    #[error("the record was not sent: {0}")]
    Refused(#[from] Refusal),
    /// The record has something that it may not have. Nothing was sent.
    #[error("the record was not sent: {0}")]
    Invalid(#[from] InvalidRecord),
    /// There is no room for the record just now, and it was not to wait. Nothing was sent.
    #[error("the record was not sent: as many bytes are in flight as may be")]
    Full,
    /// Kafka would not say how many partitions the topic has. Nothing was sent.
    #[error("the record was not sent: the partitions of its topic are not known")]
    Metadata(#[source] KafkaError),
    /// librdkafka did not take the record. Nothing was sent.
    #[error("the record was not sent")]
    Produce(#[source] KafkaError),
    /// The brokers did not acknowledge the record. It may be in the topic all the same.
    #[error("the record was not acknowledged")]
    Delivery(#[source] KafkaError),
    /// The producer was dropped with the record in flight. It may be in the topic all the same.
    #[error("the producer ended before the record was acknowledged")]
    Ended,
    /// So many records of which nobody awaited the delivery were not acknowledged.
    #[error("{count} records were not acknowledged since the last flush")]
    Undelivered {
        /// How many.
        count: u64,
    },
}

impl Error {
    /// As a refusal, where it is one for whoever caused the record: what a door said, and what is not
    /// reachable now.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        let reason = match self {
            Self::Refused(refusal) => return Some(*refusal),
            Self::Full => Reason::LoadShed,
            Self::Metadata(error) | Self::Produce(error) if is_of_now(error) => {
                Reason::DependencyUnavailable
            }
            Self::Delivery(_) | Self::Ended => Reason::OutcomeUnknown,
            Self::Metadata(_) | Self::Produce(_) | Self::Invalid(_) | Self::Undelivered { .. } => {
                return None;
            }
        };
        Some(Refusal::new(reason, Door::Produce))
    }
}

#[cfg(feature = "tracing")]
impl Error {
    /// What it is in a span's `error.type`: a few names.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.reason().as_str(),
            Self::Invalid(_) => "invalid-record",
            Self::Full => "full",
            Self::Metadata(_) => "metadata",
            Self::Produce(_) => "produce",
            Self::Delivery(_) => "delivery",
            Self::Ended => "ended",
            Self::Undelivered { .. } => "undelivered",
        }
    }
}

/// Whether the same may succeed later.
fn is_of_now(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    error.rdkafka_error_code().is_some_and(|code| {
        matches!(
            code,
            Code::QueueFull
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::NetworkException
                | Code::BrokerNotAvailable
                | Code::Resolve
        )
    })
}

/// What a record has that it may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRecord {
    /// The name of the topic is none.
    #[error(
        "the topic's name is empty, longer than 249 bytes or has other bytes than [a-zA-Z0-9._-]"
    )]
    Topic,
    /// A header whose name could be taken for one of ours.
    #[error("a header could be taken for one that this crate sets")]
    ReservedHeader,
    /// A header whose name is empty, or has a byte that some reader ends it at.
    #[error("a header's name is empty or has a control character")]
    HeaderName,
    /// More headers than a record may have.
    #[error("the record has {count} headers, more than {most}")]
    TooManyHeaders {
        /// How many it has.
        count: usize,
        /// How many it may have.
        most: usize,
    },
    /// Larger than a record may be.
    #[error("the record has {bytes} bytes, more than {most}")]
    TooLarge {
        /// Key, payload, headers and what this crate adds.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// A record of a compacted topic without a key.
    #[error("a record of a compacted topic has a key")]
    NoKey,
}
