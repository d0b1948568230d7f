//! The claims of an envelope.

use base64::Engine;
use serde::{Deserialize, Deserializer};

use super::sealed::Sealed;
use crate::{
    Incarnation, Reason, Subject, TenantId, Text, UnixTime,
    jws::{
        BASE64, Fault,
        cache::KeyWindow,
        claims::{Actor, Audience, text},
        fault::{Expects, Kind, to_blame},
        json::{self, Str, given},
    },
};

/// The longest name of a topic.
const MAX_TOPIC_LEN: usize = 249;

/// All of them are required but for `exp`; others are ignored.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    iss: Str<'a>,
    #[serde(borrow)]
    aud: Audience<'a>,
    iat: u64,
    #[serde(default, deserialize_with = "given")]
    exp: Option<u64>,
    #[serde(borrow)]
    jti: Str<'a>,
    #[serde(borrow)]
    txn: Str<'a>,
    #[serde(borrow)]
    sub: Str<'a>,
    #[serde(borrow)]
    tctx: Tctx<'a>,
    #[serde(borrow)]
    rec: Rec<'a>,
}

#[derive(Deserialize)]
struct Tctx<'a> {
    #[serde(borrow)]
    tenant: Str<'a>,
    inc: u64,
    /// A hint: the directory decides. But an envelope without one is not ours.
    #[serde(borrow)]
    tier: Str<'a>,
    #[serde(borrow)]
    sub_iss: Str<'a>,
    #[serde(borrow, default, deserialize_with = "given")]
    region: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    act: Option<Actor<'a>>,
}

#[derive(Deserialize)]
struct Rec<'a> {
    #[serde(borrow)]
    topic: Str<'a>,
    /// Required, and `null` where the key is null.
    #[serde(borrow, deserialize_with = "or_null")]
    key: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "or_null")]
    payload: Option<Str<'a>>,
}

/// The same, to tell which one is to blame. `rec.key` and `rec.payload`, which may be `null`, are told as
/// `rec`.
const CLAIMS: [Expects; 16] = [
    Expects::required("iss", Kind::Text),
    Expects::required("aud", Kind::Texts),
    Expects::required("iat", Kind::Number),
    Expects::optional("exp", Kind::Number),
    Expects::required("jti", Kind::Text),
    Expects::required("txn", Kind::Text),
    Expects::required("sub", Kind::Text),
    Expects::required("tctx", Kind::Object),
    Expects::required("tctx.tenant", Kind::Text),
    Expects::required("tctx.inc", Kind::Number),
    Expects::required("tctx.tier", Kind::Text),
    Expects::required("tctx.sub_iss", Kind::Text),
    Expects::optional("tctx.region", Kind::Text),
    Expects::optional("tctx.act", Kind::Object),
    Expects::required("rec", Kind::Object),
    Expects::required("rec.topic", Kind::Text),
];

/// What must hold of the claims.
pub(super) struct Expected<'a> {
    pub(super) trust_domain: &'a str,
    /// Whose key signed it.
    pub(super) workload: &'a Text,
    pub(super) window: KeyWindow,
}

/// Reads what a verified envelope says.
pub(super) fn read(json: &[u8], expected: &Expected<'_>) -> Result<Sealed, Fault> {
    let claims: Claims<'_> = json::read(json, Reason::BadClaim).map_err(|reason| match reason {
        Reason::BadClaim => match to_blame(json, &CLAIMS) {
            Fault { claim: None, .. } => Fault::claim("rec"),
            fault => fault,
        },
        reason => reason.into(),
    })?;
    if !claims.aud.is_only(expected.trust_domain) {
        return Err(Reason::WrongAudience.into());
    }
    // A workload's key does not vouch for what another sealed.
    if *claims.iss != **expected.workload {
        return Err(Reason::UnknownKey.into());
    }
    let (tctx, rec) = (&claims.tctx, &claims.rec);
    text("tctx.tier", &tctx.tier)?;
    if rec.topic.is_empty() || rec.topic.len() > MAX_TOPIC_LEN {
        return Err(Fault::claim("rec.topic"));
    }
    let issuer = text("tctx.sub_iss", &tctx.sub_iss)?;
    Ok(Sealed {
        jti: text("jti", &claims.jti)?,
        workload: expected.workload.clone(),
        tenant: TenantId::new(&tctx.tenant).map_err(|_| Fault::claim("tctx.tenant"))?,
        incarnation: Incarnation::new(tctx.inc),
        actor: tctx.act.as_ref().map(|act| act.subject("tctx.act", &issuer)).transpose()?,
        subject: Subject::new(issuer, text("sub", &claims.sub)?),
        region: tctx.region.as_deref().map(|region| text("tctx.region", region)).transpose()?,
        txn: text("txn", &claims.txn)?,
        issued: UnixTime::from_secs(claims.iat),
        expires: claims.exp.map(UnixTime::from_secs),
        topic: (*rec.topic).into(),
        key: digest("rec.key", rec.key.as_deref())?,
        payload: digest("rec.payload", rec.payload.as_deref())?,
        window: expected.window,
    })
}

fn digest(name: &'static str, claim: Option<&str>) -> Result<Option<[u8; 32]>, Fault> {
    let Some(claim) = claim else { return Ok(None) };
    let digest = BASE64.decode(claim).map_err(|_| Fault::claim(name))?;
    digest.try_into().map(Some).map_err(|_| Fault::claim(name))
}

/// Required, unlike what serde makes of an `Option`.
fn or_null<'de: 'a, 'a, D: Deserializer<'de>>(json: D) -> Result<Option<Str<'a>>, D::Error> {
    Option::deserialize(json)
}
