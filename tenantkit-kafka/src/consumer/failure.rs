//! [`Failure`]: why a handler could not handle a record.

use std::{error::Error as StdError, fmt, time::Duration};

use tenantkit_core::{Refusal, RefusalCode};

/// Why a record was not handled. Every error is one that may pass, so that `?` works; a [`Refusal`] among
/// them says by its code what it is.
///
/// ```
/// use tenantkit_kafka::Failure;
///
/// fn handle(payload: &[u8]) -> Result<(), Failure> {
///     let text = std::str::from_utf8(payload).map_err(|_| Failure::permanent("not-utf-8"))?;
///     std::fs::write("/nowhere/to/be/found", text)?; // may pass: it is tried again
///     Ok(())
/// }
/// assert!(handle(b"\xff").unwrap_err().is_permanent());
/// assert!(!handle(b"text").unwrap_err().is_permanent());
/// ```
///
/// What the error says goes to the log of who asks for its [`source`](Failure::cause), and never into a dead
/// letter, whose readers are others.
pub struct Failure {
    pub(super) kind: Kind,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Try again, within the tenant's budget.
    Again { code: &'static str, after: Option<Duration> },
    /// Try again when the tenant may: not the record's fault, and it costs no attempt.
    Later { refusal: Refusal },
    /// It becomes a dead letter.
    Permanent { code: &'static str },
    /// A door said no, and will again.
    Refused { refusal: Refusal },
}

impl Failure {
    /// It will never be handled: the record becomes a dead letter at once. `code` is told there: a word of
    /// the application's, in lower case with hyphens.
    #[must_use]
    pub const fn permanent(code: &'static str) -> Self {
        Self { kind: Kind::Permanent { code }, cause: None }
    }

    /// It may be handled after this time.
    #[must_use]
    pub const fn again_after(code: &'static str, wait: Duration) -> Self {
        Self { kind: Kind::Again { code, after: Some(wait) }, cause: None }
    }

    /// Whether it makes a dead letter at once.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(self.kind, Kind::Permanent { .. } | Kind::Refused { .. })
    }

    /// What went wrong.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        let cause = self.cause.as_deref()?;
        Some(cause)
    }
}

impl Kind {
    /// What a door's no means for a record.
    pub(super) fn of(refusal: Refusal) -> Self {
        match refusal.code() {
            RefusalCode::RateLimited
            | RefusalCode::TooManyInFlight
            | RefusalCode::Overloaded
            | RefusalCode::CircuitOpen
            | RefusalCode::Moving => Self::Later { refusal },
            _ => Self::Refused { refusal },
        }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let any: &(dyn StdError + 'static) = &error;
        let mut next = Some(any);
        while let Some(error) = next {
            if let Some(refusal) = error.downcast_ref::<Refusal>() {
                return Self { kind: Kind::of(*refusal), cause: None };
            }
            next = error.source();
        }
        let kind = Kind::Again { code: "handler-failed", after: None };
        Self { kind, cause: Some(Box::new(error)) }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure").field("kind", &self.kind).field("cause", &self.cause).finish()
    }
}
