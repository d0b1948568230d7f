//! Minting: a transaction token for a context, or for what an operator vouches for.

use std::sync::Arc;

use serde::Serialize;

use super::{TYP, TxnTokens};
use crate::{
    Door, Identity, Incarnation, Reason, Refusal, Subject, TenantContext, Text, Tier, UnixTime,
    jws::sign,
};

#[derive(Serialize)]
struct Claims<'a> {
    iat: u64,
    aud: &'a str,
    exp: u64,
    txn: &'a str,
    sub: &'a str,
    scope: &'a str,
    req_wl: &'a str,
    tctx: Tctx<'a>,
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
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Act<'a>>,
}

#[derive(Serialize)]
struct Act<'a> {
    iss: &'a str,
    sub: &'a str,
}

/// A token that was signed.
struct Signed {
    token: Arc<str>,
    expires: UnixTime,
    generation: Generation,
}

/// Of the signing key, and of the keys that verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64, u64);

/// A token that was minted for a context.
pub(crate) struct Minted {
    pub(crate) token: Arc<str>,
    /// Until when it is handed out again. That is before it expires, so that the next hop does not get
    /// a token in its last moment.
    until: UnixTime,
    generation: Generation,
}

impl TxnTokens {
    /// Mints a token for what the caller vouches for: for operators' tools and tests. It proves
    /// something only to who trusts the signing key, and lives as long as `identity` does, but no
    /// longer than [`lifetime`](TxnTokens::lifetime).
    ///
    /// # Errors
    ///
    /// [`NotAllowed`](crate::RefusalCode::NotAllowed) when there is no signing key or it is outside
    /// its validity; [`Unverified`](crate::RefusalCode::Unverified) when the identity has expired, or
    /// has no incarnation or no transaction.
    pub fn issue(
        &self,
        identity: &Identity,
        tier: Tier,
        now: UnixTime,
    ) -> Result<Arc<str>, Refusal> {
        let whole = (identity.incarnation.ok_or(Reason::BadClaim)).and_then(|incarnation| {
            Ok((incarnation, identity.txn.as_ref().ok_or(Reason::BadClaim)?))
        });
        whole
            .and_then(|(incarnation, txn)| self.sign(identity, incarnation, tier, txn, now))
            .map(|signed| signed.token)
            .map_err(|reason| Refusal::new(reason, Door::Mint))
    }

    /// Mints a token for a context.
    pub(crate) fn mint(&self, context: &TenantContext, now: UnixTime) -> Result<Minted, Reason> {
        let signed = self.sign(
            context.identity(),
            context.incarnation(),
            context.tier(),
            context.transaction(),
            now,
        )?;
        let reuse = signed.expires.since(now) * 3 / 4;
        Ok(Minted {
            token: signed.token,
            until: now.saturating_add(reuse),
            generation: signed.generation,
        })
    }

    /// Whether a token is to be handed out again: the keys are still those that it was minted with.
    pub(crate) fn is_current(&self, minted: &Minted, now: UnixTime) -> bool {
        let signing = self.signing.as_ref().map(|signing| signing.load().generation);
        let keys = self.keys.load().generation;
        now < minted.until && signing.is_some_and(|it| Generation(it, keys) == minted.generation)
    }

    fn sign(
        &self,
        identity: &Identity,
        incarnation: Incarnation,
        tier: Tier,
        txn: &Text,
        now: UnixTime,
    ) -> Result<Signed, Reason> {
        let current = self.signing.as_ref().ok_or(Reason::CannotMint)?.load();
        let key = &current.key;
        let terms = key.verifying_key().terms();
        let keys = self.keys.load();
        // A key that is no longer trusted here signs nothing any more.
        let verifying = keys.verifying(key).ok_or(Reason::CannotMint)?.terms();
        if !terms.window().contains(now) || !verifying.window().contains(now) {
            return Err(Reason::CannotMint);
        }
        // Never longer than what it stands for. Rounded down, as `exp` is in whole seconds.
        let key_until = terms.window().until.min(verifying.window().until);
        let until = now.saturating_add(self.lifetime).min(identity.expires).min(key_until);
        let expires = UnixTime::from_secs(until.as_secs());
        if now >= expires {
            return Err(Reason::Expired);
        }
        let claims = Claims {
            iat: now.as_secs(),
            aud: &self.trust_domain,
            exp: expires.as_secs(),
            txn,
            sub: identity.subject.sub(),
            scope: identity.scopes.as_str(),
            req_wl: &self.workload,
            tctx: Tctx {
                tenant: &identity.tenant,
                inc: incarnation.get(),
                tier: tier.as_str(),
                sub_iss: identity.subject.issuer(),
                region: identity.region.as_deref(),
                epoch: identity.epoch.map(|epoch| epoch.0),
                act: identity.actor.as_ref().map(Act::of),
            },
        };
        let token = sign(key, TYP, &claims)?;
        let generation = Generation(current.generation, keys.generation);
        Ok(Signed { token: token.into(), expires, generation })
    }
}

impl<'a> Act<'a> {
    fn of(actor: &'a Subject) -> Self {
        Self { iss: actor.issuer(), sub: actor.sub() }
    }
}
