//! Bearer tokens of the outside world.

use crate::{Claim, IdentitySource, Presented, Reason, Source, UnixTime};

/// The keys of an issuer, RFC 7517.
#[derive(Debug, Clone)]
pub struct Jwks {}

/// What is asked of an issuer's tokens.
#[derive(Debug, Clone)]
pub struct BearerPolicy {}

/// All issuers of bearer tokens.
#[derive(Debug, Default)]
pub(crate) struct Bearers {
    issuers: Vec<(Jwks, BearerPolicy)>,
}

impl Bearers {
    pub(crate) fn push(&mut self, jwks: Jwks, policy: BearerPolicy) {
        self.issuers.push((jwks, policy));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }
}

impl IdentitySource for Bearers {
    fn source(&self) -> Source {
        Source::Bearer
    }

    fn headers(&self) -> &[&'static str] {
        &["authorization"]
    }

    fn claim(&self, _presented: &Presented<'_>, _now: UnixTime) -> Result<Option<Claim>, Reason> {
        Err(Reason::UnknownKey)
    }
}
