//! [`BearerPolicy`]: what is asked of an issuer's tokens.

use std::time::Duration;

use crate::{Algorithm, Asserts, BuildError, Text, jws::claims::Bounds};

/// The state of a policy that does not say yet which tenants its issuer may assert. It cannot be
/// used.
#[derive(Debug, Clone, Copy)]
pub struct Unbounded(());

/// What is asked of the tokens of one issuer.
///
/// It says which tenants the issuer may assert before it can be used: there is no default for that.
///
/// ```
/// use tenantkit_core::BearerPolicy;
///
/// let ours = BearerPolicy::new("https://id.example", "acmedocs").asserts_any_tenant();
/// let acmes = BearerPolicy::new("https://login.acme.example", "acmedocs")
///     .tenant_claim("org")
///     .asserts_only(["acme".parse()?]);
/// # Ok::<(), tenantkit_core::InvalidTenantId>(())
/// ```
///
/// Required in every token: `iss` and `aud` as told, `exp`, `iat`, `sub` and the tenant's claim, a
/// string that is a tenant id. `nbf`, `scope` or `scp`, and `act` are honoured.
#[derive(Debug, Clone)]
pub struct BearerPolicy<A = Asserts> {
    issuer: String,
    audience: String,
    tenant_claim: String,
    algorithms: Option<Vec<Algorithm>>,
    only_access_tokens: bool,
    bounds: Bounds,
    asserts: A,
}

impl BearerPolicy<Unbounded> {
    /// Tokens of `issuer` (their `iss`) for `audience` (in their `aud`).
    #[must_use]
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            tenant_claim: "tenant".to_owned(),
            algorithms: None,
            only_access_tokens: false,
            bounds: Bounds {
                max_lifetime: Duration::from_secs(24 * 3600),
                leeway: Duration::from_secs(5),
            },
            asserts: Unbounded(()),
        }
    }

    /// The issuer may assert every tenant there is.
    #[must_use]
    pub fn asserts_any_tenant(self) -> BearerPolicy {
        self.asserts(Asserts::Any)
    }

    /// The issuer may assert these tenants.
    #[must_use]
    pub fn asserts_only(self, tenants: impl IntoIterator<Item = crate::TenantId>) -> BearerPolicy {
        self.asserts(Asserts::only(tenants))
    }

    /// The issuer may assert the tenants that `asserts` allows. It is asked for every request.
    #[must_use]
    pub fn asserts(self, asserts: Asserts) -> BearerPolicy {
        BearerPolicy {
            issuer: self.issuer,
            audience: self.audience,
            tenant_claim: self.tenant_claim,
            algorithms: self.algorithms,
            only_access_tokens: self.only_access_tokens,
            bounds: self.bounds,
            asserts,
        }
    }
}

impl<A> BearerPolicy<A> {
    /// The claim that names the tenant, at the top of the token. `tenant` unless told.
    #[must_use]
    pub fn tenant_claim(self, name: &str) -> Self {
        Self { tenant_claim: name.to_owned(), ..self }
    }

    /// Only keys that sign so. All that the issuer's keys are for, unless told: each key has one
    /// algorithm, and a token never chooses.
    #[must_use]
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self { algorithms: Some(algorithms.into_iter().collect()), ..self }
    }

    /// Only tokens whose `typ` is `at+jwt` (RFC 9068). Unless told, `JWT` and none are good too, as
    /// many issuers write them.
    #[must_use]
    pub fn only_access_tokens(self) -> Self {
        Self { only_access_tokens: true, ..self }
    }

    /// How long a token may live. 24 hours unless told.
    #[must_use]
    pub fn max_lifetime(self, max_lifetime: Duration) -> Self {
        Self { bounds: Bounds { max_lifetime, ..self.bounds }, ..self }
    }

    /// How far ahead the issuer's clock may be. 5 s unless told. An expired token has no leeway.
    ///
    /// A token that was issued within it after its tenant was created again may be the earlier
    /// tenant's, and is refused.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { bounds: Bounds { leeway, ..self.bounds }, ..self }
    }
}

impl BearerPolicy {
    pub(super) fn check(&self) -> Result<(), BuildError> {
        if Text::new(&self.issuer).is_err() || self.audience.is_empty() {
            return Err(BuildError::BearerNames);
        }
        Ok(())
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn audience(&self) -> &str {
        &self.audience
    }

    pub(super) fn claim_of_tenant(&self) -> &str {
        &self.tenant_claim
    }

    pub(super) const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    pub(super) const fn asserted(&self) -> &Asserts {
        &self.asserts
    }

    /// A list of what is good, so that none of our own types ever is.
    pub(super) fn admits_type(&self, typ: Option<&str>) -> bool {
        match typ {
            Some(typ) if typ.eq_ignore_ascii_case("at+jwt") => true,
            Some(typ) => typ.eq_ignore_ascii_case("jwt") && !self.only_access_tokens,
            None => !self.only_access_tokens,
        }
    }

    pub(super) fn admits_algorithm(&self, algorithm: Algorithm) -> bool {
        self.algorithms.as_ref().is_none_or(|admitted| admitted.contains(&algorithm))
    }
}
