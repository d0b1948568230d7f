//! [`Refusal`]: why a door said no.
//!
//! A refusal is small, `Copy` and data: a stable code that decides the answer in every protocol, a
//! reason that tells an honest caller what to do, the door that refused, and how long to wait.
//!
//! ```
//! use tenantkit_core::{Door, Reason, Refusal, RefusalCode};
//!
//! let refusal = Refusal::new(Reason::Expired, Door::Request);
//! assert_eq!(refusal.code(), RefusalCode::Unverified);
//! assert_eq!(refusal.code().as_str(), "unverified");
//! assert_eq!(refusal.to_string(), "request refused: the identity has expired");
//! ```

mod answer;
#[cfg(feature = "http")]
mod http;

use std::{fmt, time::Duration};

/// Why a door said no. It never names a tenant and never holds what was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{door} refused: {reason}")]
pub struct Refusal {
    reason: Reason,
    door: Door,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal at `door` for `reason`.
    #[must_use]
    pub const fn new(reason: Reason, door: Door) -> Self {
        Self { reason, door, retry_after: None }
    }

    /// Tells how long to wait before the same may pass.
    #[must_use]
    pub const fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// The stable code, which decides the answer in every protocol.
    #[must_use]
    pub const fn code(&self) -> RefusalCode {
        self.reason.code()
    }

    /// What exactly was wrong.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Which door refused.
    #[must_use]
    pub const fn door(&self) -> Door {
        self.door
    }

    /// How long to wait, where waiting helps.
    #[must_use]
    pub const fn wait(&self) -> Option<Duration> {
        self.retry_after
    }
}

macro_rules! names {
    ($(#[$of:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident => $name:literal,)+ }) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type { $($(#[$doc])* $variant,)+ }

        impl $type {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

names! {
    /// The stable code of a refusal: `urn:tenantkit:<code>` in a problem document, the `reason` of
    /// an `ErrorInfo`, the header of a dead letter.
    RefusalCode {
        /// No identity was presented.
        NoTenant => "no-tenant",
        /// What was presented proves nothing.
        Unverified => "unverified",
        /// Two identities disagree.
        Mismatch => "mismatch",
        /// The identity is good, and may not do this.
        NotAllowed => "not-allowed",
        /// The tenant is suspended.
        Suspended => "suspended",
        /// The tenant's rate is used up.
        RateLimited => "rate-limited",
        /// The tenant has too much under way.
        TooManyInFlight => "too-many-in-flight",
        /// The process cannot take it now.
        Overloaded => "overloaded",
        /// What it depends on is failing.
        CircuitOpen => "circuit-open",
        /// The tenant is being moved.
        Moving => "moving",
    }
}

names! {
    /// The door that refused.
    Door {
        /// An inbound request.
        Request => "request",
        /// An outbound call.
        Call => "call",
        /// A produced record.
        Produce => "produce",
        /// A consumed record.
        Consume => "consume",
        /// A transaction.
        Transaction => "transaction",
        /// A job.
        Job => "job",
        /// A permit.
        Permit => "permit",
        /// A metric.
        Metric => "metric",
        /// The key of a cache, a single flight or a batch.
        Key => "key",
        /// An export.
        Export => "export",
        /// The ambient scope.
        Scope => "scope",
        /// A token that is minted.
        Mint => "mint",
        /// A grant of work that belongs to no single tenant.
        Grant => "grant",
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident: $code:ident => $name:literal, $text:literal, $advice:literal;)+) => {
        /// What exactly was wrong. Each reason has one [`RefusalCode`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The code that it stands under.
            #[must_use]
            pub const fn code(self) -> RefusalCode {
                match self { $(Self::$variant => RefusalCode::$code,)+ }
            }

            /// What the caller can do about it, as a sentence.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)+ }
            }
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $text,)+ })
            }
        }
    };
}

reasons! {
    /// Nothing that could establish identity was presented, or the scope is empty.
    NoIdentity: NoTenant => "no-identity",
        "no identity was presented", "Present a token that this listener admits.";
    /// A handler asks for a tenant where no layer has verified one, or the layer admits no source: an
    /// error in the wiring of the service.
    NoLayer: NoTenant => "no-layer",
        "nothing here verifies identities", "Ask the operator: no tenant layer here admits a source.";
    /// Only something that corroborates was presented.
    NotEstablished: Unverified => "not-established",
        "nothing that was presented proves an identity", "Present a token that this listener admits.";
    /// An identity header that this listener does not admit.
    NotAdmitted: Unverified => "not-admitted",
        "an identity header was presented that is not admitted here", "Leave the header out.";
    /// An identity header that stands twice.
    DuplicateHeader: Unverified => "duplicate-header",
        "an identity header stands more than once", "Send each identity header once.";
    /// A header that another hop could take for an identity header.
    AliasedHeader: Unverified => "aliased-header",
        "a header could be taken for an identity header", "Leave the look-alike header out.";
    /// `Connection` names an identity header, so that a proxy would strip it.
    HopByHopHeader: Unverified => "hop-by-hop-header",
        "an identity header is named hop-by-hop", "Do not name identity headers in Connection.";
    /// An identity header longer than its bound.
    OversizeHeader: Unverified => "oversize-header",
        "an identity header is too long", "Send a shorter token.";
    /// An identity header whose form is wrong.
    MalformedHeader: Unverified => "malformed-header",
        "an identity header is malformed", "Send the header in its documented form.";
    /// A token whose form is wrong.
    MalformedToken: Unverified => "malformed-token",
        "the token is malformed", "Get a new token from its issuer.";
    /// A token that was cut short.
    TruncatedToken: Unverified => "truncated-token",
        "the token was cut short", "Look at what carried it, and get it whole.";
    /// A token of another type, or one with extensions that are not understood.
    WrongTokenType: Unverified => "wrong-token-type",
        "the token is of another type", "Present the type of token that this header is for.";
    /// A key that is not known, or not for this.
    UnknownKey: Unverified => "unknown-key",
        "the token's key is not known here", "Get a new token from its issuer.";
    /// A key that was not good at the time that counts.
    KeyOutsideWindow: Unverified => "key-outside-window",
        "the token's key was not valid then", "Seal with a key that is valid.";
    /// A signature that does not hold.
    BadSignature: Unverified => "bad-signature",
        "the token's signature does not hold", "Get a new token from its issuer.";
    /// A credential of the application's own that does not hold, an API key for one.
    BadCredential: Unverified => "bad-credential",
        "the credential does not hold", "Get a credential that holds.";
    /// An issuer that is not known.
    UnknownIssuer: Unverified => "unknown-issuer",
        "the token's issuer is not known here", "Get a token from an issuer that is known here.";
    /// A token for somebody else.
    WrongAudience: Unverified => "wrong-audience",
        "the token is for another audience", "Get a token for this audience.";
    /// A claim that is required and missing or wrong.
    BadClaim: Unverified => "bad-claim",
        "the token lacks a required claim or has one that is wrong", "Get a new token from its issuer.";
    /// The envelope of a record of another topic.
    WrongTopic: Unverified => "wrong-topic",
        "the envelope is that of another topic", "Produce the record through a tenant's door.";
    /// The envelope of a record with another key.
    WrongRecordKey: Unverified => "wrong-record-key",
        "the envelope is that of another key", "Produce the record through a tenant's door.";
    /// The envelope of a record with another payload.
    WrongPayload: Unverified => "wrong-payload",
        "the envelope is that of another payload", "Produce the record through a tenant's door.";
    /// The envelope of a record that was there before.
    DuplicateRecord: Unverified => "duplicate-record",
        "the record was there before", "Produce it again through a tenant's door.";
    /// Headers of a record that cannot be read as such.
    UnreadableHeaders: Unverified => "unreadable-headers",
        "the headers cannot be read", "Write the headers as the protocol says.";
    /// More headers, or more bytes of them, than are looked at.
    TooManyHeaders: Unverified => "too-many-headers",
        "there are too many headers", "Send fewer and smaller headers.";
    /// A record larger than is handled.
    OversizeRecord: Unverified => "oversize-record",
        "the record is too large", "Send smaller records.";
    /// Not valid yet: issued or starting in the future.
    NotYetValid: Unverified => "not-yet-valid",
        "the identity is not valid yet", "Check the clocks, or wait.";
    /// Past its expiry.
    Expired: Unverified => "expired",
        "the identity has expired", "Get a new token from its issuer.";
    /// An issuer that may not speak for this tenant.
    IssuerNotAllowed: Unverified => "issuer-not-allowed",
        "the issuer may not assert this tenant", "Get a token from the tenant's own issuer.";
    /// A gateway header from a peer that is not the gateway.
    UntrustedPeer: Unverified => "untrusted-peer",
        "the peer may not assert a tenant", "Call through the gateway.";
    /// A context that another authority issued.
    ForeignAuthority: Unverified => "foreign-authority",
        "the context was issued by another authority", "Use one authority in a process.";
    /// Identity of a tenant that was deleted and created again since.
    StaleIncarnation: Unverified => "stale-incarnation",
        "the identity is that of an earlier tenant", "Get a new token from its issuer.";
    /// Two sources name different tenants.
    SourcesDisagree: Mismatch => "sources-disagree",
        "two identities disagree", "Present one identity.";
    /// The argument and the ambient scope are different tenants.
    ScopeDisagrees: Mismatch => "scope-disagrees",
        "another tenant's scope is active", "Use the context of the active scope.";
    /// A statement changed whose transaction it is, or ended it.
    BindingLost: Mismatch => "binding-lost",
        "the transaction is no longer bound to its tenant",
        "Do not set the tenant or end the transaction in a statement.";
    /// The directory does not have the tenant.
    UnknownTenant: NotAllowed => "unknown-tenant",
        "the tenant does not exist", "Ask the operator to create the tenant.";
    /// A policy of the database forbids a row that was to be written: it is another tenant's.
    RowForbidden: NotAllowed => "row-forbidden",
        "a row of another tenant was to be written", "Write the tenant's own rows only.";
    /// The directory gives the tenant a tier that the application did not declare.
    UnknownTier: NotAllowed => "unknown-tier",
        "the tenant has a tier that is not declared", "Ask the operator to mend the tenant's tier.";
    /// A capability that was not declared, or not for this.
    CapabilityNotGranted: NotAllowed => "capability-not-granted",
        "the capability is not granted", "Declare the capability where the authority is built.";
    /// A grant that would last longer than its capability says.
    GrantTooLong: NotAllowed => "grant-too-long",
        "the grant would last too long", "Ask for no longer than the capability lasts.";
    /// A call that costs more than the tenant's quota ever allows at once: waiting does not help.
    CostTooLarge: NotAllowed => "cost-too-large",
        "the call costs more than the tenant may ever spend at once", "Ask for less at a time.";
    /// A call to a host outside the trust domain.
    OutsideTrustDomain: NotAllowed => "outside-trust-domain",
        "the host is outside the trust domain", "Declare the host, or call it without a tenant's identity.";
    /// There is no key to mint with.
    CannotMint: NotAllowed => "cannot-mint",
        "there is no key to mint a token with", "Give the authority a signing key.";
    /// The directory says that the tenant is suspended.
    TenantSuspended: Suspended => "tenant-suspended",
        "the tenant is suspended", "Ask the operator.";
    /// The tenant's rate is used up.
    RateExceeded: RateLimited => "rate-exceeded",
        "the tenant's rate is used up", "Wait as told, then try again.";
    /// The tenant has too much under way.
    ConcurrencyExceeded: TooManyInFlight => "concurrency-exceeded",
        "the tenant has too much under way", "Let something finish, then try again.";
    /// The directory is too old to be believed.
    StaleDirectory: Overloaded => "stale-directory",
        "the tenant directory is out of date", "Try again later.";
    /// An audit event that must be durable could not be written.
    AuditUnavailable: Overloaded => "audit-unavailable",
        "the audit log cannot be written", "Try again later.";
    /// Something that this needs is not reachable.
    DependencyUnavailable: Overloaded => "dependency-unavailable",
        "something that this needs is not reachable", "Try again later.";
    /// The link to something that this needs broke when the work was all but done: it may have been
    /// done, or not. Alone among the reasons it does not say that nothing was.
    OutcomeUnknown: Overloaded => "outcome-unknown",
        "something that this needs was lost, and whether it was done is not known",
        "Look whether it was done before trying again.";
    /// The process has too much to do.
    LoadShed: Overloaded => "load-shed",
        "the service has too much to do", "Try again later.";
    /// Too many tokens wait to be checked.
    TooManyChecks: Overloaded => "too-many-checks",
        "too many tokens wait to be checked", "Wait as told, then try again.";
    /// A dependency is failing for this tenant or for all.
    DependencyFailing: CircuitOpen => "dependency-failing",
        "something that this needs is failing", "Try again later.";
    /// The tenant is being moved.
    TenantMoving: Moving => "tenant-moving",
        "the tenant is being moved", "Try again shortly.";
}
