//! [`IdempotencyKey`]: what makes a call that is made twice count once.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tenantkit_core::{Refusal, TenantContext, TenantKey};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_LEN: usize = 255;

/// The `Idempotency-Key` of a call (draft-ietf-httpapi-idempotency-key-header-07): the peer does once
/// what comes twice with the same key. With it a [`RetryLayer`](super::client::RetryLayer) may send again
/// what it otherwise may not. Over gRPC it is metadata of the same name.
///
/// A client makes one for each thing that is to be done, not for each attempt:
///
/// ```
/// use http::Request;
/// use tenantkit_grpc::limit::IdempotencyKey;
///
/// let mut request = Request::post("/v1/exports").body("")?;
/// let key = IdempotencyKey::generate();
/// key.put(request.headers_mut());
/// assert_eq!(IdempotencyKey::of(request.headers())?, Some(key));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A server takes it together with its tenant, so that equal keys of two tenants never meet:
///
/// ```
/// # use http::HeaderMap;
/// # use tenantkit_core::test_util::TestAuthority;
/// use tenantkit_grpc::limit::IdempotencyKey;
///
/// # let tests = TestAuthority::new();
/// # let (acme, globex) = (tests.context("acme"), tests.context("globex"));
/// let mut headers = HeaderMap::new();
/// headers.insert("idempotency-key", r#""8e03978e""#.parse()?);
/// let one = IdempotencyKey::of_tenant(&acme, &headers)?;
/// let other = IdempotencyKey::of_tenant(&globex, &headers)?;
/// assert_ne!(one, other);
/// assert_eq!(one.unwrap().to_string(), "acme:1:8e03978e");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// A key that nobody has had: 128 bits, of which nobody can guess one from others.
    #[must_use]
    pub fn generate() -> Self {
        // Each has keys of its own from the operating system's randomness, and SipHash is a
        // pseudo-random function of them: this needs no crate of its own.
        let state = RandomState::new();
        Self(format!("{:016x}{:016x}", state.hash_one(0_u8), state.hash_one(1_u8)).into())
    }

    /// A key of one's own: 1 to 255 printable characters of ASCII without space, `"`, `\`, `,` and `;`.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn new(key: &str) -> Result<Self, InvalidIdempotencyKey> {
        if key.is_empty() || key.len() > MAX_LEN {
            return Err(InvalidIdempotencyKey::Length(key.len()));
        }
        let is_wrong = |byte: u8| !byte.is_ascii_graphic() || br#""\,;"#.contains(&byte);
        match key.bytes().position(is_wrong) {
            Some(at) => Err(InvalidIdempotencyKey::Character(at)),
            None => Ok(Self(key.into())),
        }
    }

    /// The key of a request, if it has one. Without the quotes of the draft it is the same key.
    ///
    /// # Errors
    ///
    /// When there are several, or it is none. Such a request is not done at all: done without a key it
    /// could be done twice.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, InvalidIdempotencyKey> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(InvalidIdempotencyKey::Several);
        }
        let text = value.to_str().map_err(|_| InvalidIdempotencyKey::Character(0))?.trim();
        let quoted = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        Self::new(quoted.unwrap_or(text)).map(Some)
    }

    /// The key of a tenant's request, if it has one: under this a server remembers what it did.
    ///
    /// # Errors
    ///
    /// As [`IdempotencyKey::of`], and as [`TenantContext::key`] refuses.
    pub fn of_tenant(
        tenant: &TenantContext,
        headers: &HeaderMap,
    ) -> Result<Option<TenantKey<Self>>, IdempotencyKeyError> {
        let Some(key) = Self::of(headers)? else { return Ok(None) };
        Ok(Some(tenant.key(key)?))
    }

    /// Puts it into a request, in place of one that is there.
    pub fn put(&self, headers: &mut HeaderMap) {
        // Printable and without what would have to be escaped, as every key is.
        if let Ok(value) = HeaderValue::try_from(format!(r#""{}""#, self.0)) {
            headers.insert(IDEMPOTENCY_KEY, value);
        }
    }

    /// The key without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why something is no [`IdempotencyKey`]. It never holds what was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIdempotencyKey {
    /// Empty or too long.
    #[error("an idempotency key has 1 to 255 characters, and this has {0}")]
    Length(usize),
    /// Something in it that may not be.
    #[error("an idempotency key may not have what this has at {0}")]
    Character(usize),
    /// More than one of them.
    #[error("there is more than one idempotency key")]
    Several,
}

/// Why a tenant's [`IdempotencyKey`] cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdempotencyKeyError {
    /// There is one, and it is wrong.
    #[error(transparent)]
    Invalid(#[from] InvalidIdempotencyKey),
    /// The tenant may not act.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Result<Option<IdempotencyKey>, InvalidIdempotencyKey> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static(value));
        }
        IdempotencyKey::of(&headers)
    }

    #[test]
    fn a_key_is_read_as_the_draft_writes_it_and_as_older_clients_do() {
        let key = IdempotencyKey::new("8e03978e-40d5").unwrap();
        assert_eq!(of(&[r#""8e03978e-40d5""#]), Ok(Some(key.clone())));
        assert_eq!(of(&["8e03978e-40d5"]), Ok(Some(key)));
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_none() {
        use InvalidIdempotencyKey as Invalid;
        assert_eq!(of(&["a", "a"]), Err(Invalid::Several));
        assert_eq!(of(&["a, b"]), Err(Invalid::Character(1)));
        assert_eq!(of(&[r#""a"#]), Err(Invalid::Character(0)));
        assert_eq!(of(&[r#""a";b=1"#]), Err(Invalid::Character(0)));
        for empty in ["", r#""""#] {
            assert_eq!(of(&[empty]), Err(Invalid::Length(0)));
        }
        assert_eq!(IdempotencyKey::new(&"a".repeat(256)), Err(Invalid::Length(256)));
        assert!(IdempotencyKey::new(&"a".repeat(255)).is_ok());
    }

    #[test]
    fn no_two_that_are_made_are_equal() {
        let keys: std::collections::HashSet<_> =
            (0..10_000).map(|_| IdempotencyKey::generate()).collect();
        assert_eq!(keys.len(), 10_000);
    }
}
