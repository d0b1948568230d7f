//! [`Sealed`]: what an envelope says whose signature held.

use super::record::{WireRecord, digest_of};
use crate::{
    Incarnation, Reason, Subject, TenantId, Text, UnixTime,
    jws::{Fault, cache::KeyWindow, claims::Bounds},
};

/// What an envelope says. It holds of one record only.
pub(super) struct Sealed {
    pub(super) jti: Text,
    pub(super) workload: Text,
    pub(super) tenant: TenantId,
    pub(super) incarnation: Incarnation,
    pub(super) subject: Subject,
    pub(super) actor: Option<Subject>,
    pub(super) region: Option<Text>,
    pub(super) txn: Text,
    pub(super) issued: UnixTime,
    /// `None` on a compacted topic.
    pub(super) expires: Option<UnixTime>,
    pub(super) topic: Box<str>,
    pub(super) key: Option<[u8; 32]>,
    pub(super) payload: Option<[u8; 32]>,
    /// When its key is good.
    pub(super) window: KeyWindow,
}

impl Sealed {
    /// That it is this record's, and the time: everything that the cache does not stand for.
    pub(super) fn check(
        &self,
        record: &WireRecord<'_>,
        now: UnixTime,
        bounds: &Bounds,
    ) -> Result<(), Fault> {
        if *self.topic != *record.topic {
            return Err(Reason::WrongTopic.into());
        }
        if self.key != digest_of(record.key) {
            return Err(Reason::WrongRecordKey.into());
        }
        if self.payload != digest_of(record.payload) {
            return Err(Reason::WrongPayload.into());
        }
        // Who took a key that is good no more cannot make the broker append in the past.
        let appended = record.appended.unwrap_or(now);
        if !self.window.contains(appended) {
            return Err(Reason::KeyOutsideWindow.into());
        }
        // Nobody seals a record after it was appended.
        if self.issued > appended.min(now).saturating_add(bounds.leeway) {
            return Err(Reason::NotYetValid.into());
        }
        match (self.expires, record.is_compacted) {
            (None, true) => Ok(()),
            // One that does not expire is for topics that keep it for ever, and no other.
            (None, false) | (Some(_), true) => Err(Fault::claim("exp")),
            (Some(expires), false) => self.check_life(expires, now, bounds),
        }
    }

    fn check_life(&self, expires: UnixTime, now: UnixTime, bounds: &Bounds) -> Result<(), Fault> {
        let lifetime = expires.since(self.issued);
        if lifetime.is_zero() || lifetime > bounds.max_lifetime {
            return Err(Fault::claim("exp"));
        }
        if now >= expires {
            return Err(Reason::Expired.into());
        }
        Ok(())
    }
}
