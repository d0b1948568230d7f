//! Bearer tokens of the outside world: JWTs of issuers that this service knows.

mod claims;
mod jwks;
mod policy;

use std::sync::Arc;

pub use self::{
    jwks::Jwks,
    policy::{BearerPolicy, Unbounded},
};
use crate::{
    Asserts, BuildError, Claim, Identity, IdentitySource, Presented, Reason, Source, UnixTime,
    jws::{
        Compact, Fault, Header,
        budget::FailureBudget,
        cache::{Verified, VerifiedCache},
    },
};

const HEADER: &str = "authorization";
const SCHEME: &str = "bearer";

/// All issuers of bearer tokens. The keys of each are its own: two with the same `kid` never meet.
#[derive(Debug)]
pub(crate) struct Bearers {
    issuers: Vec<Issuer>,
    cache: VerifiedCache,
    budget: FailureBudget,
}

#[derive(Debug)]
struct Issuer {
    jwks: Jwks,
    policy: BearerPolicy,
}

impl Bearers {
    /// All issuers that an application registered.
    pub(crate) fn new(
        registered: Vec<(Jwks, BearerPolicy)>,
        cache_bytes: u64,
        failures_per_second: Option<u32>,
    ) -> Result<Self, BuildError> {
        let mut issuers: Vec<Issuer> = Vec::new();
        for (jwks, policy) in registered {
            policy.check()?;
            if issuers.iter().any(|known| known.policy.issuer() == policy.issuer()) {
                return Err(BuildError::DuplicateIssuer);
            }
            issuers.push(Issuer { jwks, policy });
        }
        Ok(Self {
            issuers,
            cache: VerifiedCache::new(cache_bytes),
            budget: failures_per_second.map_or(FailureBudget::OFF, FailureBudget::new),
        })
    }

    /// A handle to the cache.
    pub(crate) fn cache(&self) -> VerifiedCache {
        self.cache.clone()
    }

    fn verify(
        &self,
        presented: &Presented<'_>,
        token: &str,
        now: UnixTime,
    ) -> Result<Arc<Identity>, Fault> {
        if let Some(known) = self.cache.get(token) {
            let issuer = &self.issuers[known.issuer];
            if known.generation == issuer.jwks.load().generation {
                known.recheck(now, issuer.policy.bounds())?;
                return Ok(issuer.bound(known.identity)?);
            }
        }
        let verified = self.examine(presented, token, now)?;
        let (issuer, identity) = (verified.issuer, Arc::clone(&verified.identity));
        self.cache.insert(token.into(), verified);
        Ok(self.issuers[issuer].bound(identity)?)
    }

    fn examine(
        &self,
        presented: &Presented<'_>,
        token: &str,
        now: UnixTime,
    ) -> Result<Verified, Fault> {
        let peer = presented.peer().addr;
        let compact = Compact::split(token)?;
        let header = compact.header()?;
        let header = Header::read(&header)?;
        self.budget.check(peer, now)?;
        // The claims can be long, and have to be read to find the key: that costs as well. An old
        // token whose signature holds costs as much as a forged one, each time.
        presented.costly(|| {
            let checked = self.check(&compact, &header, now);
            checked.inspect_err(|_| self.budget.charge(peer, now))
        })
    }

    fn check(
        &self,
        compact: &Compact<'_>,
        header: &Header<'_>,
        now: UnixTime,
    ) -> Result<Verified, Fault> {
        let claims = compact.claims()?;
        let claims = claims::read(&claims)?;
        let issuers = self.issuers.iter().enumerate();
        let (at, issuer) = issuers
            .into_iter()
            .find(|(_, known)| known.policy.issuer() == claims.issuer())
            .ok_or(Reason::UnknownIssuer)?;
        if !issuer.policy.admits_type(header.typ()) {
            return Err(Reason::WrongTokenType.into());
        }
        let keys = issuer.jwks.load();
        let named = keys.get(header.kid()).filter(|named| named.window.contains(now));
        let named = named.ok_or(Reason::UnknownKey)?;
        let algorithm = named.key.algorithm();
        if !issuer.policy.admits_algorithm(algorithm) || !header.is_signed_by(algorithm) {
            return Err(Reason::UnknownKey.into());
        }
        compact.verify(&named.key)?;
        let (identity, validity) = claims.identity(&issuer.policy)?;
        validity.check(now, issuer.policy.bounds())?;
        Ok(Verified {
            identity: Arc::new(identity),
            validity,
            key: named.window,
            generation: keys.generation,
            issuer: at,
        })
    }
}

impl Issuer {
    /// Asked for every request, because the answer may change while a token is in the cache.
    fn bound(&self, identity: Arc<Identity>) -> Result<Arc<Identity>, Reason> {
        let asserts: &Asserts = self.policy.asserted();
        if asserts.allows(&identity.tenant) { Ok(identity) } else { Err(Reason::IssuerNotAllowed) }
    }
}

impl IdentitySource for Bearers {
    fn source(&self) -> Source {
        Source::Bearer
    }

    fn headers(&self) -> &[&'static str] {
        &[HEADER]
    }

    fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason> {
        let Some(token) = presented.header(HEADER).map(bearer_token).transpose()?.flatten() else {
            return Ok(None);
        };
        let identity = self.verify(presented, token, now);
        let identity = identity.map_err(|fault| presented.blame(fault))?;
        Ok(Some(Claim::Establishes(identity)))
    }
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1); `None` for another scheme.
fn bearer_token(authorization: &str) -> Result<Option<&str>, Reason> {
    let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Ok(None);
    }
    let is_token68 = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
    };
    if token.is_empty() || !token.bytes().all(is_token68) {
        return Err(Reason::MalformedHeader);
    }
    Ok(Some(token))
}
