//! Whatever stands in a statement is split into tokens to its end, each once.
#![no_main]
#![allow(dead_code, reason = "the crate uses the rest of it")]

use libfuzzer_sys::fuzz_target;

// Only this file: the rest of the crate would bring Postgres's driver along.
#[path = "../../tenantkit-sqlx/src/statement/lex.rs"]
mod lex;

fuzz_target!(|sql: &str| {
    let tokens = lex::Lexer::new(sql).take(sql.len() + 1).count();
    assert!(tokens <= sql.len(), "more tokens than bytes: it does not come to an end");
});
