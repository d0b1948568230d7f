//! [`WireRecord`]: what an envelope is bound to.

use ring::digest::{SHA256, digest};

use crate::UnixTime;

/// A record as it is on the wire: what an envelope is bound to.
///
/// A key or payload that is null is another one than one that is empty: a record whose payload is null
/// is a tombstone.
#[derive(Clone, Copy)]
pub struct WireRecord<'a> {
    pub(super) topic: &'a str,
    pub(super) key: Option<&'a [u8]>,
    pub(super) payload: Option<&'a [u8]>,
    pub(super) is_compacted: bool,
    pub(super) appended: Option<UnixTime>,
}

impl<'a> WireRecord<'a> {
    /// A record of `topic`. `None` is null.
    #[must_use]
    pub const fn new(topic: &'a str, key: Option<&'a [u8]>, payload: Option<&'a [u8]>) -> Self {
        Self { topic, key, payload, is_compacted: false, appended: None }
    }

    /// Of a topic that keeps the last record of each key for ever, in which an envelope does not expire.
    #[must_use]
    pub const fn compacted(self, is_compacted: bool) -> Self {
        Self { is_compacted, ..self }
    }

    /// When the broker appended it, by the broker's own clock (`LogAppendTime`). Whether the key was
    /// good is judged by that time; without it, by now. What a producer says of the time does not count.
    #[must_use]
    pub const fn appended(self, at: Option<UnixTime>) -> Self {
        Self { appended: at, ..self }
    }
}

impl std::fmt::Debug for WireRecord<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without what is in it.
        f.debug_struct("WireRecord").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// SHA-256 of what is there; `None` of null.
pub(super) fn digest_of(bytes: Option<&[u8]>) -> Option<[u8; 32]> {
    let digest = digest(&SHA256, bytes?);
    // SHA-256 has 32 bytes.
    digest.as_ref().try_into().ok()
}
