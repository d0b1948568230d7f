//! Kafka, on which changes of documents are told.

use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// Kafka, on which changes of documents are told. Both topics have to be there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// The brokers: `host:port,host:port`.
    pub brokers: String,
    /// The topic of the changes.
    pub topic: String,
    /// The topic for changes that cannot be indexed.
    pub dead_letter_topic: String,
    /// The consumer group of the indexers.
    pub group: String,
    /// The keys that open the envelopes of records, as a JWK set with public keys.
    pub envelope_keys: PathBuf,
    /// The private JWK that seals those of the documents service.
    pub signing_key: PathBuf,
}

/// The longest name of a topic, in bytes.
const MAX_TOPIC_LEN: usize = 249;

impl Kafka {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            ("brokers", self.brokers.split(',').all(is_address), "like host:9092,other:9092"),
            ("topic", is_topic(&self.topic), NAME),
            ("dead_letter_topic", is_topic(&self.dead_letter_topic), NAME),
            ("dead_letter_topic", self.dead_letter_topic != self.topic, "any but kafka.topic"),
            ("group", !self.group.is_empty(), "any text but the empty one"),
        ];
        let broken = rules.into_iter().find(|(_, holds, _)| !holds);
        broken.map_or(Ok(()), |(key, _, may_be)| Err(ConfigError::Kafka { key, may_be }))
    }
}

const NAME: &str = "1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'";

fn is_address(broker: &str) -> bool {
    let parts = broker.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.trim().is_empty() && port.trim().parse::<u16>().is_ok())
}

/// As Kafka has it (`Topic.validate`).
fn is_topic(name: &str) -> bool {
    let is_named = !matches!(name, "" | "." | "..") && name.len() <= MAX_TOPIC_LEN;
    is_named && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
