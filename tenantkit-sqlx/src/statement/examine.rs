//! What is refused, by its first words and by what stands anywhere in it.

use super::{
    lex::{Lexer, Token},
    refused::StatementRefused,
};
use crate::bind;

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

/// What a `CREATE`, an `ALTER` or a `DROP` changes for every session: `DROP OWNED` takes the role's own
/// grants away.
const SHARED: [&str; 9] =
    ["DATABASE", "DEFAULT", "GROUP", "OWNED", "POLICY", "ROLE", "SYSTEM", "TABLESPACE", "USER"];

/// Settings that decide whose transaction it is, or how it is read.
const GUARDED: [&str; 8] = [
    bind::TENANT,
    bind::CROSS_TENANT,
    "client_encoding",
    // `SET NAMES` is the same. In another encoding, a quote is not where it seems to be.
    "names",
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
    } else if is("DECLARE") {
        cursor(tokens.clone())?;
    } else if is("PREPARE") && tokens.clone().next().is_some_and(|it| it.is("TRANSACTION")) {
        return Err(StatementRefused::EndsTransaction);
    } else if (is("CREATE") || is("ALTER") || is("DROP"))
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
    skip_reach(&mut tokens);
    let Some(what) = tokens.clone().next() else { return Err(StatementRefused::Unrecognised) };
    if what.is("TRANSACTION") {
        return if tokens.any(|it| it.is("WRITE")) {
            Err(StatementRefused::ChangesAccess)
        } else {
            Ok(())
        };
    }
    // What is left of `SESSION AUTHORIZATION` and of `SESSION CHARACTERISTICS`.
    if what.is("AUTHORIZATION") {
        return Err(StatementRefused::Rebinds);
    }
    if what.is("CHARACTERISTICS") {
        return Err(StatementRefused::OutlivesTransaction);
    }
    match setting(&mut tokens) {
        None => Err(StatementRefused::Unrecognised),
        Some(name) if name == "transaction_read_only" => Err(StatementRefused::ChangesAccess),
        Some(name) if name == "all" || GUARDED.contains(&&*name) => Err(StatementRefused::Rebinds),
        Some(_) => Ok(()),
    }
}

/// What follows `DECLARE`. With `HOLD`, the query runs during the commit, after the binding was
/// verified.
fn cursor(mut tokens: Lexer<'_>) -> Result<(), StatementRefused> {
    // Its name, which may be any word.
    tokens.next();
    let mut with = false;
    for token in tokens.take_while(|it| !it.is("FOR")) {
        if with && token.is("HOLD") {
            return Err(StatementRefused::OutlivesTransaction);
        }
        with = token.is("WITH");
    }
    Ok(())
}

/// The name of a setting, in lower case, as Postgres compares it.
fn setting(tokens: &mut Lexer<'_>) -> Option<String> {
    skip_reach(tokens);
    let mut name = tokens.next()?.name()?;
    while tokens.clone().next() == Some(Token::Symbol(b'.')) {
        tokens.next();
        name.push('.');
        name.push_str(&tokens.next()?.name()?);
    }
    Some(name.to_ascii_lowercase())
}

/// Skips how far a `SET` reaches. `SESSION` can stand there twice: `SET SESSION SESSION AUTHORIZATION`.
fn skip_reach(tokens: &mut Lexer<'_>) {
    while tokens.clone().next().is_some_and(|it| it.is("LOCAL") || it.is("SESSION")) {
        tokens.next();
    }
}
