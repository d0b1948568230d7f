//! The claims of a transaction token, in the form of the IETF draft "OAuth Transaction Tokens"
//! (draft-ietf-oauth-transaction-tokens), with our own `tctx`.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    Identity, Incarnation, Reason, RoutingEpoch, Subject, TenantId, Text,
    jws::{
        Fault,
        claims::{Actor, Audience, Bounds, Validity, scopes, text},
        fault::{Expects, Kind, to_blame},
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

/// The same, to tell which one is to blame.
const CLAIMS: [Expects; 18] = [
    Expects::required("iat", Kind::Number),
    Expects::required("aud", Kind::Texts),
    Expects::required("exp", Kind::Number),
    Expects::optional("nbf", Kind::Number),
    Expects::required("txn", Kind::Text),
    Expects::required("sub", Kind::Text),
    Expects::required("scope", Kind::Text),
    Expects::required("req_wl", Kind::Text),
    Expects::required("tctx", Kind::Object),
    Expects::required("tctx.tenant", Kind::Text),
    Expects::required("tctx.inc", Kind::Number),
    Expects::required("tctx.tier", Kind::Text),
    Expects::required("tctx.sub_iss", Kind::Text),
    Expects::optional("tctx.region", Kind::Text),
    Expects::optional("tctx.epoch", Kind::Number),
    Expects::optional("tctx.act", Kind::Object),
    Expects::optional("tctx.act.iss", Kind::Text),
    Expects::required("tctx.act.sub", Kind::Text),
];

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
) -> Result<(Identity, Validity), Fault> {
    let claims: Claims<'_> = json::read(json, Reason::BadClaim).map_err(|reason| match reason {
        Reason::BadClaim => to_blame(json, &CLAIMS),
        reason => reason.into(),
    })?;
    if !claims.aud.is_only(expected.trust_domain) {
        return Err(Reason::WrongAudience.into());
    }
    // A workload's key does not vouch for what another asked for.
    if *claims.req_wl != **expected.workload {
        return Err(Reason::UnknownKey.into());
    }
    let validity = Validity::new(claims.iat, claims.nbf, claims.exp).bounded(expected.bounds)?;

    let tctx = &claims.tctx;
    text("tctx.tier", &tctx.tier)?;
    let tenant = TenantId::new(&tctx.tenant).map_err(|_| Fault::claim("tctx.tenant"))?;
    let issuer = text("tctx.sub_iss", &tctx.sub_iss)?;
    let actor = tctx.act.as_ref().map(|act| act.subject("tctx.act", &issuer)).transpose()?;
    let mut identity =
        Identity::new(tenant, Subject::new(issuer, text("sub", &claims.sub)?), validity.expires)
            .issued(validity.surely_issued(expected.bounds))
            .incarnation(Incarnation::new(tctx.inc))
            .workload(expected.workload.clone())
            .transaction(text("txn", &claims.txn)?);
    identity.actor = actor;
    identity.scopes = scopes("scope", &claims.scope)?;
    identity.region =
        tctx.region.as_deref().map(|region| text("tctx.region", region)).transpose()?;
    identity.epoch = tctx.epoch.map(RoutingEpoch);
    identity.token = Some(token);
    Ok((identity, validity))
}
