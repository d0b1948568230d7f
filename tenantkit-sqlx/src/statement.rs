//! Statements that end or rebind the transaction, recognised before they are sent.
//!
//! This is no SQL parser and no defence against an injection: it catches the mistake early, with an
//! error that says what to write instead. What it does not recognise, the commit does, which verifies
//! the binding; and the session is reset whatever was run in it.
//!
//! The decision knows nothing of sqlx, so that a fuzzer can be built from it alone.

mod examine;
mod lex;
mod refused;

pub(crate) use examine::examine;
pub use refused::StatementRefused;

impl From<StatementRefused> for sqlx::Error {
    /// An executor can only answer with an `sqlx::Error`; [`Error`](crate::Error) takes it out again.
    fn from(refused: StatementRefused) -> Self {
        Self::Configuration(Box::new(refused))
    }
}

#[cfg(test)]
mod tests;
