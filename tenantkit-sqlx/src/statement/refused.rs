//! [`StatementRefused`]: why a statement was not sent.

/// A statement that was refused before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementRefused {
    /// `BEGIN`, `COMMIT`, `SAVEPOINT` and their kin.
    #[error("this statement would end the transaction: use `commit`, `rollback` or `savepoint`")]
    EndsTransaction,
    /// `SET ROLE`, `set_config` and whatever else changes whose transaction it is.
    #[error(
        "this statement could change whose transaction it is: for other settings, use SET LOCAL"
    )]
    Rebinds,
    /// `LISTEN`, `PREPARE`, `DISCARD`, `LOAD`, a cursor `WITH HOLD`: something that outlives the
    /// transaction.
    #[error("this statement is about the session, which the next borrower has after you")]
    OutlivesTransaction,
    /// `SET TRANSACTION READ WRITE`.
    #[error(
        "the transaction is read-only or not from its begin on: use `begin` or `begin_read_only`"
    )]
    ChangesAccess,
    /// `LOCK`, `GRANT`, `ALTER ROLE`, `VACUUM` and their kin: they hit every tenant.
    #[error("this statement is about what all tenants share: run it as the owner, in a migration")]
    AffectsOthers,
    /// More than one statement.
    #[error("several statements stand in one string: send them one by one")]
    Several,
    /// `COPY`, which row-level security does not bind, or which the executor cannot serve.
    #[error("COPY does not go by this executor: use INSERT with arrays and unnest")]
    Copy,
    /// `DO`, which can hide each of the others.
    #[error("an anonymous code block can end or rebind the transaction: use a function")]
    CodeBlock,
    /// Something that is not known to be harmless, or not well-formed.
    #[error("this statement is not recognised as one that belongs in a transaction")]
    Unrecognised,
    /// The future of an earlier statement was dropped before its answer.
    #[error(
        "an earlier statement was cancelled, and nobody knows whether it took effect: roll back"
    )]
    Interrupted,
    /// Two transactions were swapped while a savepoint was open in one of them.
    #[error("a savepoint of another transaction was finished in this one: roll back")]
    MixedUp,
    /// `Executor::prepare` behind PgBouncer.
    #[error("a prepared statement cannot be kept behind PgBouncer: use sqlx::query")]
    PreparedBehindPgBouncer,
}
