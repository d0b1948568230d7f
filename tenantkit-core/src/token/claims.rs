//! The claims of a transaction token, in the form of the IETF draft "OAuth Transaction Tokens"
//! (draft-ietf-oauth-transaction-tokens), with our own `tctx`.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    Identity, Incarnation, Reason, RoutingEpoch, Subject, TenantId, Text,
    jws::{
        claims::{Actor, Audience, Bounds, Validity, scopes, text},
        json::{self, Str, given},
    },
};

/// All of them are required; others are ignored.
#[derive(Deserialize)]
struct Claims<'a> {
    iat: u64,
    #[serde(borrow)]
    aud: Audience<'a>,
    exp: u64,
    #[serde(default, deserialize_with = "given")]
    nbf: Option<u64>,
    #[serde(borrow)]
    txn: Str<'a>,
    #[serde(borrow)]
    sub: Str<'a>,
    #[serde(borrow)]
    scope: Str<'a>,
    #[serde(borrow)]
    req_wl: Str<'a>,
    #[serde(borrow)]
    tctx: Tctx<'a>,
}

#[derive(Deserialize)]
struct Tctx<'a> {
    #[serde(borrow)]
    tenant: Str<'a>,
    inc: u64,
    /// A hint, as the epoch is: the directory decides. But a token without one is not ours.
    #[serde(borrow)]
    tier: Str<'a>,
    /// Who vouches for `sub`.
    #[serde(borrow)]
    sub_iss: Str<'a>,
    #[serde(borrow, default, deserialize_with = "given")]
    region: Option<Str<'a>>,
    #[serde(default, deserialize_with = "given")]
    epoch: Option<u64>,
    #[serde(borrow, default, deserialize_with = "given")]
    act: Option<Actor<'a>>,
}

/// What must hold of the claims.
pub(super) struct Expected<'a> {
    pub(super) trust_domain: &'a str,
    /// Whose key signed it.
    pub(super) workload: &'a Text,
    pub(super) bounds: &'a Bounds,
}

/// Reads what a verified token says.
pub(super) fn read(
    json: &[u8],
    token: Arc<str>,
    expected: &Expected<'_>,
) -> Result<(Identity, Validity), Reason> {
    let claims: Claims<'_> = json::read(json, Reason::BadClaim)?;
    if !claims.aud.is_only(expected.trust_domain) {
        return Err(Reason::WrongAudience);
    }
    // A workload's key does not vouch for what another asked for.
    if *claims.req_wl != **expected.workload {
        return Err(Reason::UnknownKey);
    }
    let validity = Validity::new(claims.iat, claims.nbf, claims.exp).bounded(expected.bounds)?;

    let tctx = &claims.tctx;
    text(&tctx.tier)?;
    let tenant = TenantId::new(&tctx.tenant).map_err(|_| Reason::BadClaim)?;
    let issuer = text(&tctx.sub_iss)?;
    let actor = tctx.act.as_ref().map(|act| act.subject(&issuer)).transpose()?;
    let mut identity =
        Identity::new(tenant, Subject::new(issuer, text(&claims.sub)?), validity.expires)
            .issued(validity.surely_issued(expected.bounds))
            .incarnation(Incarnation::new(tctx.inc))
            .workload(expected.workload.clone())
            .transaction(text(&claims.txn)?);
    identity.actor = actor;
    identity.scopes = scopes(&claims.scope)?;
    identity.region = tctx.region.as_deref().map(text).transpose()?;
    identity.epoch = tctx.epoch.map(RoutingEpoch);
    identity.token = Some(token);
    Ok((identity, validity))
}
