//! The claims of a bearer token (RFC 7519, RFC 9068, RFC 8693).

use serde::Deserialize;

use super::BearerPolicy;
use crate::{
    Identity, Reason, Scopes, Subject, TenantId,
    jws::{
        Fault,
        claims::{Actor, Audience, OneOrMore, Validity, scopes, text},
        fault::{Expects, Kind, to_blame},
        json::{self, Str, given},
    },
};

/// What a token says; nothing of it is verified.
pub(super) struct Claims<'a> {
    json: &'a [u8],
    issuer: Str<'a>,
}

#[derive(Deserialize)]
struct Issuer<'a> {
    #[serde(borrow)]
    iss: Str<'a>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    aud: Audience<'a>,
    exp: u64,
    iat: u64,
    #[serde(default, deserialize_with = "given")]
    nbf: Option<u64>,
    #[serde(borrow)]
    sub: Str<'a>,
    #[serde(borrow, default, deserialize_with = "given")]
    scope: Option<OneOrMore<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    scp: Option<OneOrMore<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    act: Option<Actor<'a>>,
}

/// The same, to tell which one is to blame.
const CLAIMS: [Expects; 10] = [
    Expects::required("aud", Kind::Texts),
    Expects::required("exp", Kind::Number),
    Expects::required("iat", Kind::Number),
    Expects::optional("nbf", Kind::Number),
    Expects::required("sub", Kind::Text),
    Expects::optional("scope", Kind::Texts),
    Expects::optional("scp", Kind::Texts),
    Expects::optional("act", Kind::Object),
    Expects::optional("act.iss", Kind::Text),
    Expects::required("act.sub", Kind::Text),
];

/// The claim that names the tenant, whatever the policy calls it.
const TENANT: &str = "tenant";

/// Reads no more than is needed to find the key.
pub(super) fn read(json: &[u8]) -> Result<Claims<'_>, Reason> {
    let issuer: Issuer<'_> = json::read(json, Reason::UnknownIssuer)?;
    Ok(Claims { json, issuer: issuer.iss })
}

impl Claims<'_> {
    /// Who says that it signed.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What the token says, after its signature was verified.
    pub(super) fn identity(&self, policy: &BearerPolicy) -> Result<(Identity, Validity), Fault> {
        let fields: Fields<'_> =
            serde_json::from_slice(self.json).map_err(|_| to_blame(self.json, &CLAIMS))?;
        if !fields.aud.has(policy.audience()) {
            return Err(Reason::WrongAudience.into());
        }
        let validity =
            Validity::new(fields.iat, fields.nbf, fields.exp).bounded(policy.bounds())?;
        let tenant = json::string_member(self.json, policy.claim_of_tenant());
        let tenant = tenant.ok_or(Fault::claim(TENANT))?;
        let tenant = TenantId::new(&tenant).map_err(|_| Fault::claim(TENANT))?;
        let issuer = text("iss", &self.issuer)?;
        let actor = fields.act.as_ref().map(|act| act.subject("act", &issuer)).transpose()?;
        let subject = Subject::new(issuer, text("sub", &fields.sub)?);
        let mut identity = Identity::new(tenant, subject, validity.expires)
            .issued(validity.surely_issued(policy.bounds()));
        identity.actor = actor;
        identity.scopes = fields.scopes()?;
        Ok((identity, validity))
    }
}

impl Fields<'_> {
    /// `scope` (RFC 8693) or `scp` (as some issuers write it): a list with spaces, or an array.
    fn scopes(&self) -> Result<Scopes, Fault> {
        let (name, list) = match (&self.scope, &self.scp) {
            (None, None) => return Ok(Scopes::default()),
            (Some(list), None) => ("scope", list),
            (None, Some(list)) => ("scp", list),
            // Two lists, of which it is not known which one counts.
            (Some(_), Some(_)) => return Err(Fault::claim("scp")),
        };
        match &*list.0 {
            [one] => scopes(name, one),
            several => {
                let several: Vec<&str> = several.iter().map(|one| &**one).collect();
                scopes(name, &several.join(" "))
            }
        }
    }
}
