//! Statements that end or rebind the transaction, recognised before they are sent.
//!
//! This is no SQL parser and no defence against an injection: it catches the mistake early, with an
//! error that says what to write instead. What it does not recognise, the commit does, which verifies
//! the binding; and the session is reset whatever was run in it.

mod lex;

use lex::{Lexer, Token};

use crate::bind;

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
    /// `LISTEN`, `PREPARE`, `DISCARD`, `LOAD`: something that outlives the transaction.
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

impl From<StatementRefused> for sqlx::Error {
    /// An executor can only answer with an `sqlx::Error`; [`Error`](crate::Error) takes it out again.
    fn from(refused: StatementRefused) -> Self {
        Self::Configuration(Box::new(refused))
    }
}

/// What may lead a statement. What is in neither list is refused, `SET` and `RESET` apart.
const HARMLESS: [&str; 24] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "VALUES", "TABLE", "ALTER", "ANALYZE",
    "CALL", "CLOSE", "COMMENT", "CREATE", "DECLARE", "DROP", "EXPLAIN", "FETCH", "MOVE", "NOTIFY",
    "REFRESH", "SHOW", "TRUNCATE", "UNLISTEN",
];

/// What may not, and why.
const REFUSED: [(&str, StatementRefused); 25] = [
    ("ABORT", StatementRefused::EndsTransaction),
    ("BEGIN", StatementRefused::EndsTransaction),
    ("CLUSTER", StatementRefused::AffectsOthers),
    ("COMMIT", StatementRefused::EndsTransaction),
    ("COPY", StatementRefused::Copy),
    ("DEALLOCATE", StatementRefused::OutlivesTransaction),
    ("DISCARD", StatementRefused::OutlivesTransaction),
    ("DO", StatementRefused::CodeBlock),
    ("END", StatementRefused::EndsTransaction),
    ("EXECUTE", StatementRefused::OutlivesTransaction),
    ("GRANT", StatementRefused::AffectsOthers),
    ("IMPORT", StatementRefused::AffectsOthers),
    ("LISTEN", StatementRefused::OutlivesTransaction),
    ("LOAD", StatementRefused::OutlivesTransaction),
    ("LOCK", StatementRefused::AffectsOthers),
    ("PREPARE", StatementRefused::OutlivesTransaction),
    ("REASSIGN", StatementRefused::AffectsOthers),
    ("REINDEX", StatementRefused::AffectsOthers),
    ("RELEASE", StatementRefused::EndsTransaction),
    ("REVOKE", StatementRefused::AffectsOthers),
    ("ROLLBACK", StatementRefused::EndsTransaction),
    ("SAVEPOINT", StatementRefused::EndsTransaction),
    ("SECURITY", StatementRefused::AffectsOthers),
    ("START", StatementRefused::EndsTransaction),
    ("VACUUM", StatementRefused::AffectsOthers),
];

/// What an `ALTER` or a `DROP` changes for every session: `DROP OWNED` takes the role's own grants away.
const SHARED: [&str; 8] =
    ["DATABASE", "DEFAULT", "GROUP", "OWNED", "ROLE", "SYSTEM", "TABLESPACE", "USER"];

/// Settings that decide whose transaction it is, or how it is read.
const GUARDED: [&str; 6] = [
    bind::TENANT,
    bind::CROSS_TENANT,
    "role",
    "session_authorization",
    "standard_conforming_strings",
    "transaction_read_only",
];

/// Refuses a statement that ends or rebinds the transaction, where that can be seen.
pub(crate) fn examine(sql: &str) -> Result<(), StatementRefused> {
    let mut tokens = Lexer::new(sql);
    // Postgres skips empty statements, and parentheses around a query.
    let first = loop {
        match tokens.next() {
            None => return Ok(()),
            Some(Token::Symbol(b';' | b'(')) => {}
            Some(first) => break first,
        }
    };
    let Token::Word(first) = first else { return Err(StatementRefused::Unrecognised) };
    let is = |keyword: &str| first.eq_ignore_ascii_case(keyword);
    if is("SET") || is("RESET") {
        leading_set(tokens.clone())?;
    } else if is("PREPARE") && tokens.clone().next().is_some_and(|it| it.is("TRANSACTION")) {
        return Err(StatementRefused::EndsTransaction);
    } else if (is("ALTER") || is("DROP"))
        && tokens.clone().next().is_some_and(|it| SHARED.iter().any(|what| it.is(what)))
    {
        return Err(StatementRefused::AffectsOthers);
    } else if let Some((_, refused)) = REFUSED.iter().find(|(keyword, _)| is(keyword)) {
        return Err(*refused);
    } else if !HARMLESS.iter().any(|keyword| is(keyword)) {
        return Err(StatementRefused::Unrecognised);
    }
    // A function's or a rule's body may have several.
    anywhere(tokens, is("CREATE"))
}

/// What is refused wherever it stands in a statement.
fn anywhere(mut tokens: Lexer<'_>, may_have_several: bool) -> Result<(), StatementRefused> {
    let mut ended = false;
    while let Some(token) = tokens.next() {
        if ended && !may_have_several && token != Token::Symbol(b';') {
            return Err(StatementRefused::Several);
        }
        match token {
            Token::Malformed => return Err(StatementRefused::Unrecognised),
            // It can spell any name.
            Token::UnicodeName => return Err(StatementRefused::Rebinds),
            Token::Symbol(b';') => ended = true,
            _ if token.names("set_config") => return Err(StatementRefused::Rebinds),
            // `CREATE FUNCTION ... SET app.tenant_id = ...`, and the same of a role.
            _ if token.is("SET") || token.is("RESET") => {
                let setting = setting(&mut tokens.clone());
                if setting.is_some_and(|name| name == bind::TENANT || name == bind::CROSS_TENANT) {
                    return Err(StatementRefused::Rebinds);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What follows a leading `SET` or `RESET`.
fn leading_set(mut tokens: Lexer<'_>) -> Result<(), StatementRefused> {
    if tokens.clone().next().is_some_and(|it| it.is("TRANSACTION")) {
        return if tokens.any(|it| it.is("WRITE")) {
            Err(StatementRefused::ChangesAccess)
        } else {
            Ok(())
        };
    }
    let mut lookahead = tokens.clone();
    if lookahead.next().is_some_and(|it| it.is("SESSION")) {
        let next = lookahead.next();
        if next.is_some_and(|it| it.is("AUTHORIZATION")) {
            return Err(StatementRefused::Rebinds);
        }
        if next.is_some_and(|it| it.is("CHARACTERISTICS")) {
            return Err(StatementRefused::OutlivesTransaction);
        }
    }
    match setting(&mut tokens) {
        None => Err(StatementRefused::Unrecognised),
        Some(name) if name == "transaction_read_only" => Err(StatementRefused::ChangesAccess),
        Some(name) if name == "all" || GUARDED.contains(&&*name) => Err(StatementRefused::Rebinds),
        Some(_) => Ok(()),
    }
}

/// The name of a setting, in lower case, as Postgres compares it.
fn setting(tokens: &mut Lexer<'_>) -> Option<String> {
    let mut token = tokens.next()?;
    if token.is("LOCAL") || token.is("SESSION") {
        token = tokens.next()?;
    }
    let mut name = token.name()?;
    while tokens.clone().next() == Some(Token::Symbol(b'.')) {
        tokens.next();
        name.push('.');
        name.push_str(&tokens.next()?.name()?);
    }
    Some(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
