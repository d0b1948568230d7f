//! Transaction tokens: the signed context that crosses from service to service.
//!
//! ```
//! use std::time::Duration;
//! use tenantkit_core::{
//!     Algorithm, Identity, Incarnation, KeySet, KeyTerms, KeyUse, Reason, SigningKey, Subject,
//!     TierSet, TxnTokens, UnixTime,
//! };
//!
//! let terms = KeyTerms::new("edge-1".parse()?, KeyUse::Txn, "edge".parse()?);
//! let key = SigningKey::generate(terms, Algorithm::EdDsa)?;
//! let keys = KeySet::new([key.verifying_key().clone()])?;
//! let edge = TxnTokens::new("acmedocs.example", "edge", keys.clone())?.signing(key)?;
//! let documents = TxnTokens::new("acmedocs.example", "documents", keys)?;
//!
//! let now = UnixTime::from_secs(1_800_000_000);
//! let later = now.saturating_add(Duration::from_secs(60));
//! let alice = Subject::new("https://id.example".parse()?, "alice".parse()?);
//! let identity = Identity::new("acme".parse()?, alice, later)
//!     .incarnation(Incarnation::FIRST)
//!     .transaction("txn-1".parse()?);
//! let token = edge.issue(&identity, TierSet::METALS.get("gold").unwrap(), now)?;
//!
//! assert!(documents.verify(&token, now).is_ok());
//! assert_eq!(documents.verify(&token, later).unwrap_err(), Reason::Expired);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod claims;
mod key;
mod key_set;
mod mint;
mod signing;
mod terms;

use std::{sync::Arc, time::Duration};

use self::claims::Expected;
pub use self::{
    key::{SecretJwk, SigningKey, VerifyingKey},
    key_set::KeySet,
    terms::{KeyTerms, KeyUse},
};
use crate::{
    Claim, Identity, IdentitySource, InvalidText, Presented, Reason, Source, Text, UnixTime,
    jws::{
        Compact, Fault, Header,
        budget::FailureBudget,
        cache::{Verified, VerifiedCache},
        claims::Bounds,
        jwk::KeyError,
    },
};
pub(crate) use mint::Minted;
pub(crate) use signing::Signing;

const HEADER: &str = "txn-token";
const TYP: &str = "txntoken+jwt";

/// Verifies transaction tokens, and mints them where there is a signing key. A clone shares keys and
/// cache, and holds what is in the cache to its own bounds.
#[derive(Debug, Clone)]
pub struct TxnTokens {
    trust_domain: Text,
    workload: Text,
    keys: KeySet,
    signing: Option<Signing>,
    lifetime: Duration,
    bounds: Bounds,
    cache: VerifiedCache,
    budget: FailureBudget,
}

impl TxnTokens {
    /// Verifies tokens of `trust_domain` (their `aud`) with `keys`. `workload` is the name of this
    /// service, which is `req_wl` in what it mints.
    ///
    /// # Errors
    ///
    /// When a name is no [`Text`].
    pub fn new(trust_domain: &str, workload: &str, keys: KeySet) -> Result<Self, InvalidText> {
        Ok(Self {
            trust_domain: Text::new(trust_domain)?,
            workload: Text::new(workload)?,
            keys,
            signing: None,
            lifetime: Duration::from_secs(120),
            bounds: Bounds {
                max_lifetime: Duration::from_secs(600),
                leeway: Duration::from_secs(5),
            },
            cache: VerifiedCache::new(8 * 1024 * 1024),
            budget: FailureBudget::OFF,
        })
    }

    /// Mints with `key`. Without one this service only forwards what came in.
    ///
    /// # Errors
    ///
    /// When the key is not for transaction tokens or not this workload's, and when its public half is
    /// not among [`keys`](TxnTokens::keys).
    pub fn signing(self, key: SigningKey) -> Result<Self, KeyError> {
        self.check_signing(&key)?;
        Ok(Self { signing: Some(Signing::new(key)), ..self })
    }

    /// Mints with another key from now on, for everybody who shares this handle, an authority that was
    /// built with a clone of it for one. What was minted with the former key is not handed out again:
    /// the next call of each context gets a new token. Those that are on their way stay good for as
    /// long as the former key is among [`keys`](TxnTokens::keys) and they have not expired.
    ///
    /// To rotate a key: [`replace`](KeySet::replace) the keys by those with the new public half,
    /// everywhere; then this; and when the longest [`lifetime`](TxnTokens::lifetime) is over, the keys
    /// without the old one.
    ///
    /// # Errors
    ///
    /// As [`signing`](TxnTokens::signing), and [`KeyError::NotSigning`] for a service that was built
    /// without a signing key. Then the key stays what it was.
    pub fn replace_signing(&self, key: SigningKey) -> Result<(), KeyError> {
        let signing = self.signing.as_ref().ok_or(KeyError::NotSigning)?;
        self.check_signing(&key)?;
        signing.replace(key);
        Ok(())
    }

    fn check_signing(&self, key: &SigningKey) -> Result<(), KeyError> {
        let terms = key.verifying_key().terms();
        if terms.key_use() != KeyUse::Txn {
            return Err(KeyError::Use);
        }
        if *terms.workload() != self.workload {
            return Err(KeyError::Workload);
        }
        match self.keys.load().verifying(key) {
            Some(_) => Ok(()),
            None => Err(KeyError::NotVerified),
        }
    }

    /// How long a minted token lives, at most. 120 s unless told.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// How long a token may live that is accepted. 600 s unless told.
    #[must_use]
    pub fn max_lifetime(self, max_lifetime: Duration) -> Self {
        Self { bounds: Bounds { max_lifetime, ..self.bounds }, ..self }
    }

    /// How far ahead the clock of who minted may be. 5 s unless told. An expired token has no leeway.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { bounds: Bounds { leeway, ..self.bounds }, ..self }
    }

    /// How many bytes of verified tokens are kept. 8 MiB unless told.
    #[must_use]
    pub fn cache_bytes(self, max_bytes: u64) -> Self {
        Self { cache: VerifiedCache::new(max_bytes), ..self }
    }

    pub(crate) fn cache_stats(&self) -> (u64, u64) {
        self.cache.stats()
    }

    /// How many tokens that do not hold are checked for one peer in a second, before its tokens are
    /// refused unseen, except those that are in the cache. No bound unless told.
    ///
    /// Only for a listener that its callers reach directly: the peer is that of the connection, so
    /// behind a proxy or a load balancer one caller's bad tokens would refuse everybody. Where the
    /// peer is not known nobody is refused.
    #[must_use]
    pub fn failures_per_second(self, at_most: u32) -> Self {
        Self { budget: FailureBudget::new(at_most), ..self }
    }

    /// The keys, to be replaced while this runs.
    #[must_use]
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Verifies a token. Only an [`Authority`](crate::Authority) turns what it says into a context.
    ///
    /// # Errors
    ///
    /// Why it does not hold.
    pub fn verify(&self, token: &str, now: UnixTime) -> Result<Arc<Identity>, Reason> {
        self.verified(None, token, now).map_err(|fault| fault.reason)
    }

    /// Where nothing was presented, no listener bounds what is checked.
    fn verified(
        &self,
        presented: Option<&Presented<'_>>,
        token: &str,
        now: UnixTime,
    ) -> Result<Arc<Identity>, Fault> {
        if let Some(known) = self.cache.get(token)
            && known.generation == self.keys.load().generation
        {
            known.recheck(now, &self.bounds)?;
            return Ok(known.identity);
        }
        let token: Arc<str> = token.into();
        let verified = self.examine(presented, &token, now)?;
        let identity = Arc::clone(&verified.identity);
        self.cache.insert(token, verified);
        Ok(identity)
    }

    fn examine(
        &self,
        presented: Option<&Presented<'_>>,
        token: &Arc<str>,
        now: UnixTime,
    ) -> Result<Verified, Fault> {
        let compact = Compact::split(token)?;
        let header = compact.header()?;
        let header = Header::read(&header)?;
        if header.typ() != Some(TYP) {
            return Err(Reason::WrongTokenType.into());
        }
        let keys = self.keys.load();
        let key = header.kid().and_then(|kid| keys.get(kid)).ok_or(Reason::UnknownKey)?;
        let terms = key.terms();
        let is_in_terms = terms.key_use() == KeyUse::Txn && terms.window().contains(now);
        if !is_in_terms || !header.is_signed_by(key.algorithm()) {
            return Err(Reason::UnknownKey.into());
        }
        let expected = Expected {
            trust_domain: &self.trust_domain,
            workload: terms.workload(),
            bounds: &self.bounds,
        };
        // An old token whose signature holds costs as much as a forged one, each time.
        let check = || {
            compact.verify(&key.key)?;
            let read = claims::read(&compact.claims()?, Arc::clone(token), &expected)?;
            read.1.check(now, &self.bounds)?;
            Ok(read)
        };
        let (identity, validity) = match presented {
            Some(presented) => {
                let peer = presented.peer().addr;
                self.budget.check(peer, now)?;
                presented
                    .costly(|| check().inspect_err(|_: &Fault| self.budget.charge(peer, now)))?
            }
            None => check()?,
        };
        Ok(Verified {
            identity: Arc::new(identity),
            validity,
            key: terms.window(),
            generation: keys.generation,
            issuer: 0,
        })
    }
}

impl IdentitySource for TxnTokens {
    fn source(&self) -> Source {
        Source::TxnToken
    }

    fn headers(&self) -> &[&'static str] {
        &[HEADER]
    }

    fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason> {
        let Some(token) = presented.header(HEADER) else { return Ok(None) };
        let identity = self.verified(Some(presented), token, now);
        let identity = identity.map_err(|fault| presented.blame(fault))?;
        Ok(Some(Claim::Establishes(identity)))
    }
}
