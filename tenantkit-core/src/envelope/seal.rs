//! Sealing: an envelope for a record of a context.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::Engine;
use serde::Serialize;

use super::{Envelopes, TYP, WireRecord, record::digest_of};
use crate::{
    Reason, Subject, TenantContext, Text, UnixTime,
    jws::{BASE64, jwk::KeyError, random, sign},
};

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    jti: &'a str,
    txn: &'a str,
    sub: &'a str,
    tctx: Tctx<'a>,
    rec: Rec<'a>,
}

#[derive(Serialize)]
struct Tctx<'a> {
    tenant: &'a str,
    inc: u64,
    tier: &'static str,
    sub_iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Act<'a>>,
}

#[derive(Serialize)]
struct Act<'a> {
    iss: &'a str,
    sub: &'a str,
}

#[derive(Serialize)]
struct Rec<'a> {
    topic: &'a str,
    key: Option<String>,
    payload: Option<String>,
}

impl Envelopes {
    /// Seals a record for a context, which the caller has checked.
    pub(super) fn seal(
        &self,
        context: &TenantContext,
        record: &WireRecord<'_>,
        now: UnixTime,
    ) -> Result<Arc<str>, Reason> {
        let (signing, serial) = self.signing.as_ref().ok_or(Reason::CannotMint)?;
        let current = signing.load();
        let key = &current.key;
        let keys = self.keys.load();
        // A key that is no longer trusted here signs nothing any more.
        let verifying = keys.verifying(key).ok_or(Reason::CannotMint)?.terms();
        let terms = key.verifying_key().terms();
        if !terms.window().contains(now) || !verifying.window().contains(now) {
            return Err(Reason::CannotMint);
        }
        let expires = now.saturating_add(self.lifetime);
        let identity = context.identity();
        let jti = serial.next();
        let claims = Claims {
            iss: &self.workload,
            aud: &self.trust_domain,
            iat: now.as_secs(),
            exp: (!record.is_compacted).then(|| expires.as_secs()),
            jti: &jti,
            txn: context.transaction(),
            sub: identity.subject.sub(),
            tctx: Tctx {
                tenant: &identity.tenant,
                inc: context.incarnation().get(),
                tier: context.tier().as_str(),
                sub_iss: identity.subject.issuer(),
                region: identity.region.as_deref(),
                act: identity.actor.as_ref().map(Act::of),
            },
            rec: Rec {
                topic: record.topic,
                key: digest_of(record.key).map(|digest| BASE64.encode(digest)),
                payload: digest_of(record.payload).map(|digest| BASE64.encode(digest)),
            },
        };
        sign(key, TYP, &claims).map(Into::into)
    }
}

impl<'a> Act<'a> {
    fn of(actor: &'a Subject) -> Self {
        Self { iss: actor.issuer(), sub: actor.sub() }
    }
}

/// Names for envelopes: a random part a process, and a number. Unique, and made without asking the
/// operating system for randomness at each record. A clone counts on.
#[derive(Clone)]
pub(super) struct Serial(Arc<(u64, AtomicU64)>);

impl Serial {
    pub(super) fn new() -> Result<Self, KeyError> {
        let prefix = random().map(u64::from_ne_bytes).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(Arc::new((prefix, AtomicU64::new(0)))))
    }

    fn next(&self) -> Text {
        let (prefix, next) = &*self.0;
        Text::from_hex(*prefix, next.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serial").finish_non_exhaustive()
    }
}
