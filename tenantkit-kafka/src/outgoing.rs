//! [`Outgoing`]: a record to be sent.

mod wire_key;

use std::fmt;

pub use self::wire_key::{tenant_key, without_tenant};
use crate::{InvalidRecord, headers::is_reserved};

/// The longest name of a topic, in bytes.
const MAX_TOPIC_LEN: usize = 249;

/// A record to be sent: what the application says of it. Whose it is, [`TenantProducer`] adds.
///
/// A record without a key or a payload has a null there, which is not the same as an empty one: without
/// a payload it is a tombstone.
///
/// ```
/// use tenantkit_kafka::Outgoing;
///
/// let changed = Outgoing::to("documents.changed").key("7").payload(r#"{"id":7}"#);
/// let deleted = Outgoing::to("documents.changed").key("7");
/// ```
///
/// [`TenantProducer`]: crate::TenantProducer
#[derive(Clone)]
pub struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) payload: Option<&'a [u8]>,
    pub(crate) headers: Vec<(&'a str, Option<&'a [u8]>)>,
    pub(crate) timestamp: Option<i64>,
}

impl<'a> Outgoing<'a> {
    /// A record for `topic`.
    #[must_use]
    pub const fn to(topic: &'a str) -> Self {
        Self { topic, key: None, payload: None, headers: Vec::new(), timestamp: None }
    }

    /// With this key. Records of one tenant and key stay in order.
    #[must_use]
    pub fn key<K: AsRef<[u8]> + ?Sized>(self, key: &'a K) -> Self {
        Self { key: Some(key.as_ref()), ..self }
    }

    /// With this payload.
    #[must_use]
    pub fn payload<P: AsRef<[u8]> + ?Sized>(self, payload: &'a P) -> Self {
        Self { payload: Some(payload.as_ref()), ..self }
    }

    /// With one more header of the application's own. Headers that could be taken for those of this crate
    /// are refused when the record is sent ([`is_reserved`]).
    #[must_use]
    pub fn header<V: AsRef<[u8]> + ?Sized>(mut self, name: &'a str, value: &'a V) -> Self {
        self.headers.push((name, Some(value.as_ref())));
        self
    }

    /// With the time of what it tells of, in milliseconds since 1970. When it is sent unless told.
    #[must_use]
    pub const fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = Some(millis);
        self
    }

    /// Refuses what no record may have.
    pub(crate) fn check(&self, most_headers: usize) -> Result<(), InvalidRecord> {
        if !is_topic(self.topic) {
            return Err(InvalidRecord::Topic);
        }
        if self.headers.len() > most_headers {
            let count = self.headers.len();
            return Err(InvalidRecord::TooManyHeaders { count, most: most_headers });
        }
        for (name, _) in &self.headers {
            if is_reserved(name.as_bytes()) {
                return Err(InvalidRecord::ReservedHeader);
            }
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err(InvalidRecord::HeaderName);
            }
        }
        Ok(())
    }

    /// How many bytes the application gave.
    pub(crate) fn bytes(&self) -> usize {
        let of = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + of(*value));
        of(self.key) + of(self.payload) + headers.sum::<usize>()
    }
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what is in it.
        f.debug_struct("Outgoing").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// As Kafka has it (`Topic.validate`).
fn is_topic(name: &str) -> bool {
    let is_named = !name.is_empty() && name.len() <= MAX_TOPIC_LEN && name != "." && name != "..";
    is_named && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
