//! Envelopes: the signed tenant of a record that rests, in a topic for one.
//!
//! A transaction token lives for minutes; a record waits for days. An envelope says whose the record
//! is, and is bound to its topic, its key and its payload, so that it proves nothing on another one. It
//! is a compact JWS with a `typ` of its own, and never taken for a token, nor a token for it.
//!
//! [`Authority::seal`] makes one for a context. [`Authority::open`] verifies one, and what it
//! [opened](Opened) gives a fresh, short context for each attempt at the record.
//!
//! ```
//! use tenantkit_core::{
//!     Algorithm, Envelopes, KeySet, KeyTerms, KeyUse, Reason, SigningKey, Source, WireRecord,
//!     test_util::TestAuthority, TierSet,
//! };
//!
//! let terms = KeyTerms::new("documents-1".parse()?, KeyUse::Envelope, "documents".parse()?);
//! let key = SigningKey::generate(terms, Algorithm::EdDsa)?;
//! let keys = KeySet::new([key.verifying_key().clone()])?;
//! let envelopes = Envelopes::new("acmedocs.example", "documents", keys)?.signing(key)?;
//! let test = TestAuthority::with(TierSet::METALS, |builder| builder.envelopes(envelopes));
//! let authority = test.authority();
//!
//! let record = WireRecord::new("documents", Some(b"7"), Some(b"changed"));
//! let envelope = authority.seal(&test.context("acme"), &record)?;
//!
//! let opened = authority.open(Some(&"acme".parse()?), &envelope, &record)?;
//! let context = opened.context()?; // anew for each attempt
//! assert_eq!(context.tenant(), "acme");
//! assert_eq!(context.provenance().established_by(), Source::Envelope);
//!
//! // A tombstone is another record than one with an empty payload, and another topic is another.
//! let refused = authority.open(None, &envelope, &WireRecord::new("documents", Some(b"7"), None));
//! assert_eq!(refused.unwrap_err().reason(), Reason::WrongPayload);
//! let elsewhere = WireRecord::new("other", Some(b"7"), Some(b"changed"));
//! let refused = authority.open(None, &envelope, &elsewhere);
//! assert_eq!(refused.unwrap_err().reason(), Reason::WrongTopic);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod claims;
mod open;
mod record;
mod seal;
mod sealed;

use std::{sync::Arc, time::Duration};

use self::{claims::Expected, seal::Serial, sealed::Sealed};
pub use self::{open::Opened, record::WireRecord};
use crate::{
    Asserts, InvalidText, KeySet, KeyUse, Reason, SigningKey, Text, UnixTime,
    jws::{Compact, Fault, Header, cache::VerifiedCache, claims::Bounds, jwk::KeyError},
    token::Signing,
};

/// Never that of a transaction token, nor one that an identity provider gives to its own.
const TYP: &str = "tenant-envelope+jwt";

/// How the base64url of an object begins: `{"`.
const JSON: &str = "eyJ";

/// Ed25519 and P-256 alike, in base64url.
const SIGNATURE_LEN: usize = 86;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Opens envelopes, and seals where there is a signing key. A clone shares keys and cache.
#[derive(Debug, Clone)]
pub struct Envelopes {
    trust_domain: Text,
    workload: Text,
    keys: KeySet,
    signing: Option<(Signing, Serial)>,
    lifetime: Duration,
    bounds: Bounds,
    attempt: Duration,
    /// What a workload may assert, where that is not every tenant.
    bounded: Vec<(Text, Asserts)>,
    cache: VerifiedCache<Known>,
}

/// An envelope whose signature held.
#[derive(Clone)]
struct Known {
    sealed: Arc<Sealed>,
    /// Of the keys that it was verified with.
    generation: u64,
}

impl Envelopes {
    /// Opens envelopes of `trust_domain` (their `aud`) with `keys`. `workload` is the name of this
    /// service, which is `iss` in what it seals.
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
            lifetime: 30 * DAY,
            bounds: Bounds { max_lifetime: 400 * DAY, leeway: Duration::from_secs(5) },
            attempt: Duration::from_secs(120),
            bounded: Vec::new(),
            cache: VerifiedCache::new(8 * 1024 * 1024),
        })
    }

    /// Seals with `key`. Without one this service can only open.
    ///
    /// # Errors
    ///
    /// When the key is not for envelopes or not this workload's, when its public half is not among
    /// [`keys`](Envelopes::keys), and when the operating system gives no randomness.
    pub fn signing(self, key: SigningKey) -> Result<Self, KeyError> {
        self.check_signing(&key)?;
        Ok(Self { signing: Some((Signing::new(key), Serial::new()?)), ..self })
    }

    /// Seals with another key from now on, for everybody who shares this handle. Records that rest
    /// stay good for as long as their key is among [`keys`](Envelopes::keys): keep the public half of a
    /// key that signs no more, with a window that [ends](crate::KeyTerms::valid), for as long as its
    /// records are read.
    ///
    /// # Errors
    ///
    /// As [`signing`](Envelopes::signing), and [`KeyError::NotSigning`] for a service that was built
    /// without a signing key. Then the key stays what it was.
    pub fn replace_signing(&self, key: SigningKey) -> Result<(), KeyError> {
        let (signing, _) = self.signing.as_ref().ok_or(KeyError::NotSigning)?;
        self.check_signing(&key)?;
        signing.replace(key);
        Ok(())
    }

    fn check_signing(&self, key: &SigningKey) -> Result<(), KeyError> {
        let terms = key.verifying_key().terms();
        if terms.key_use() != KeyUse::Envelope {
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

    /// How long what is sealed is good. 30 days unless told: longer than the topic keeps a record, and
    /// than a consumer may be down. What is sealed for a [compacted](WireRecord::compacted) topic does
    /// not expire.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// How long an envelope may live that is opened. 400 days unless told.
    #[must_use]
    pub fn max_lifetime(self, max_lifetime: Duration) -> Self {
        Self { bounds: Bounds { max_lifetime, ..self.bounds }, ..self }
    }

    /// How far ahead the clock of who sealed may be, of ours and of the broker's. 5 s unless told. An
    /// expired envelope has no leeway.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { bounds: Bounds { leeway, ..self.bounds }, ..self }
    }

    /// How long a context is good that is issued for one attempt at a record. 120 s unless told.
    #[must_use]
    pub fn attempt(self, attempt: Duration) -> Self {
        Self { attempt, ..self }
    }

    /// Bounds the tenants that a workload may assert. Each of the trust domain may assert any unless
    /// told.
    #[must_use]
    pub fn workload_asserts(mut self, workload: Text, asserts: Asserts) -> Self {
        self.bounded.push((workload, asserts));
        self
    }

    /// How many bytes of opened envelopes are kept, so that another attempt costs no signature check.
    /// 8 MiB unless told.
    #[must_use]
    pub fn cache_bytes(self, max_bytes: u64) -> Self {
        Self { cache: VerifiedCache::new(max_bytes), ..self }
    }

    /// The keys, to be replaced while this runs.
    #[must_use]
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    pub(crate) const fn is_signing(&self) -> bool {
        self.signing.is_some()
    }

    /// Verifies an envelope, that it is this record's, and that it may say what it says.
    fn verified(
        &self,
        envelope: &str,
        record: &WireRecord<'_>,
        now: UnixTime,
    ) -> Result<Arc<Sealed>, Fault> {
        let known = self.cache.get(envelope);
        let sealed = match known.filter(|it| it.generation == self.keys.load().generation) {
            Some(known) => known.sealed,
            None => self.examine(envelope)?,
        };
        sealed.check(record, now, &self.bounds)?;
        let refuses = |(workload, asserts): &(Text, Asserts)| {
            *workload == sealed.workload && !asserts.allows(&sealed.tenant)
        };
        if self.bounded.iter().any(refuses) {
            return Err(Reason::IssuerNotAllowed.into());
        }
        Ok(sealed)
    }

    /// What an envelope says, whatever the time and the record: all that is kept.
    fn examine(&self, envelope: &str) -> Result<Arc<Sealed>, Fault> {
        // A value that was cut short in transport is no forgery, and is told apart.
        if envelope.starts_with(JSON) && envelope.bytes().filter(|byte| *byte == b'.').count() < 2 {
            return Err(Reason::TruncatedToken.into());
        }
        let compact = Compact::split(envelope)?;
        let header = compact.header()?;
        let header = Header::read(&header)?;
        if header.typ() != Some(TYP) {
            return Err(Reason::WrongTokenType.into());
        }
        if compact.signature_len() < SIGNATURE_LEN {
            return Err(Reason::TruncatedToken.into());
        }
        let keys = self.keys.load();
        let key = header.kid().and_then(|kid| keys.get(kid)).ok_or(Reason::UnknownKey)?;
        let terms = key.terms();
        if terms.key_use() != KeyUse::Envelope || !header.is_signed_by(key.algorithm()) {
            return Err(Reason::UnknownKey.into());
        }
        compact.verify(&key.key)?;
        let expected = Expected {
            trust_domain: &self.trust_domain,
            workload: terms.workload(),
            window: terms.window(),
        };
        let sealed = Arc::new(claims::read(&compact.claims()?, &expected)?);
        let known = Known { sealed: Arc::clone(&sealed), generation: keys.generation };
        self.cache.insert(envelope.into(), known);
        Ok(sealed)
    }
}
