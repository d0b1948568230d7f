//! What is refused, and what is not.

use proptest::prelude::*;

use super::{StatementRefused as Refused, examine};

#[test]
fn a_statement_that_ends_the_transaction_is_refused() {
    for sql in [
        "COMMIT",
        "commit and chain",
        "/* x */ COMMIT",
        "/* /* nested */ still */ COMMIT",
        "-- x\nCOMMIT",
        "-- x\rCOMMIT",
        "; COMMIT",
        ";;/**/ ( ROLLBACK",
        "END",
        "ABORT",
        "BEGIN",
        "START TRANSACTION",
        "SAVEPOINT a",
        "RELEASE a",
        "ROLLBACK TO a",
        "PREPARE TRANSACTION 'x'",
        "\u{b}\u{c}\tCommit",
    ] {
        assert_eq!(examine(sql), Err(Refused::EndsTransaction), "{sql}");
    }
}

#[test]
fn a_statement_that_rebinds_the_transaction_is_refused() {
    for sql in [
        "SET app.tenant_id = 'b'",
        "set local APP.Tenant_ID to 'b'",
        "SET SESSION app.tenant_id = 'b'",
        "SET LOCAL \"app.tenant_id\" = 'b'",
        "SET LOCAL app . /* x */ \"tenant_id\" = 'b'",
        "RESET app.tenant_id",
        "RESET ALL",
        "SET app.cross_tenant = 'on'",
        "SET ROLE other",
        "SET LOCAL ROLE other",
        "SET \"role\" = other",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION other",
        "RESET SESSION AUTHORIZATION",
        "SET LOCAL session_authorization = other",
        "SET standard_conforming_strings = off",
        "SET LOCAL SESSION AUTHORIZATION other",
        "SET SESSION SESSION AUTHORIZATION other",
        "SET NAMES 'SJIS'",
        "SET LOCAL client_encoding = 'SJIS'",
        "SELECT set_config('app.tenant_id', 'b', true)",
        "SELECT 1 UNION ALL SELECT length(pg_catalog.\"set_config\"($1, $2, true))",
        "SELECT U&\"set\\005fconfig\"('app.tenant_id', 'b', true)",
        "SELECT 'it''s', E'\\'', $x$ ' $x$, set_config($1, $2, true)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET app.tenant_id = 'b' AS 'SELECT 1'",
    ] {
        assert_eq!(examine(sql), Err(Refused::Rebinds), "{sql}");
    }
}

#[test]
fn what_outlives_the_transaction_is_refused() {
    for sql in [
        "LISTEN a",
        "PREPARE a AS SELECT 1",
        "EXECUTE a",
        "DEALLOCATE ALL",
        "DISCARD ALL",
        "LOAD 'x'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
        "declare \"for\" binary no scroll cursor with /* x */ hold for select 1",
    ] {
        assert_eq!(examine(sql), Err(Refused::OutlivesTransaction), "{sql}");
    }
    for sql in [
        "LOCK documents",
        "GRANT a TO b",
        "REVOKE a FROM b",
        "REASSIGN OWNED BY a TO b",
        "VACUUM",
        "CLUSTER",
        "REINDEX TABLE documents",
        "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
        "SECURITY LABEL ON ROLE me IS 'x'",
        "alter /* x */ role me SET work_mem = 1",
        "ALTER USER me SET work_mem = 1",
        "ALTER DATABASE d SET work_mem = 1",
        "ALTER SYSTEM SET work_mem = 1",
        "DROP OWNED BY CURRENT_USER",
        "CREATE ROLE a",
        "CREATE POLICY a ON documents USING (true)",
        "DROP POLICY a ON documents",
    ] {
        assert_eq!(examine(sql), Err(Refused::AffectsOthers), "{sql}");
    }
    for sql in [
        "SET TRANSACTION READ WRITE",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
        "SET LOCAL TRANSACTION READ WRITE",
        "SET SESSION TRANSACTION READ WRITE",
        "SET LOCAL transaction_read_only = off",
    ] {
        assert_eq!(examine(sql), Err(Refused::ChangesAccess), "{sql}");
    }
    assert_eq!(examine("COPY documents FROM STDIN"), Err(Refused::Copy));
    assert_eq!(examine("DO $$ BEGIN COMMIT; END $$"), Err(Refused::CodeBlock));
    assert_eq!(examine("SELECT 1; COMMIT"), Err(Refused::Several));
    assert_eq!(examine("SELECT 1\0"), Err(Refused::Unrecognised));
    assert_eq!(examine("SELECT 'x"), Err(Refused::Unrecognised));
}

#[test]
fn what_people_write_is_not_refused() {
    for sql in [
        "",
        "-- nothing",
        "SELECT 1;",
        "(SELECT 1) UNION (SELECT 2);;",
        "/* COMMIT; */ SELECT 'COMMIT; set_config', \"commit\", $$ set_config $$, $1",
        "WITH a AS (SELECT 1) UPDATE documents SET role = 'x', title = $1",
        "SELECT app.tenant_id FROM applications app",
        "SELECT 1, app.tenant_id FROM applications app",
        "SELECT a&\"b\", u.\"x\" FROM u",
        "INSERT INTO commits (begin) VALUES ($1) ON CONFLICT DO NOTHING",
        "SET LOCAL statement_timeout = '1s'",
        "SET CONSTRAINTS ALL DEFERRED",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET LOCAL TRANSACTION READ ONLY",
        "SET LOCAL app.user_id = '7'",
        "DECLARE a CURSOR WITHOUT HOLD FOR SELECT hold FROM t WHERE x IN (WITH hold AS (SELECT 1) TABLE hold)",
        "DECLARE hold CURSOR FOR SELECT 1",
        "SHOW app.tenant_id",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "SELECT a$b$c, d$b$e FROM t",
        "INSERT INTO documents (id, title) VALUES ($1, $2)",
        "SELECT x'1F', b'01', u&'\\0041', n'x', 1e5, '{}'::jsonb -> 'a'",
        "SELECT 1 -- ; COMMIT",
    ] {
        assert_eq!(examine(sql), Ok(()), "{sql}");
    }
}

#[test]
fn a_string_ends_where_postgres_ends_it() {
    for sql in [
        // With escapes, it goes on behind the end of a line, escapes and all.
        "SELECT E'a'\n'\\'', set_config($1, $2, true) /* ' */",
        "SELECT e'a' -- x\r\t-- y\n'\\'', set_config($1, $2, true) /* ' */",
        "SELECT E'a'\n'b'\n'\\'', set_config($1, $2, true) /* ' */",
        // It does not where none ends, nor behind a comment of the other kind.
        "SELECT E'a' '\\', set_config($1, $2, true) --'",
        "SELECT E'a'\n/**/'\\', set_config($1, $2, true) --'",
        // Without escapes, nothing does.
        "SELECT 'a'\n'\\', set_config($1, $2, true) --'",
        "SELECT $a$ $b$ $a$, set_config($1, $2, true) -- $b$",
        "SELECT $a1b$ ' $a1b$, set_config($1, $2, true) -- '",
        "SELECT a$a$, set_config($1, $2, true) -- $a$",
        // A doubled quote is one of its text, also where escapes are.
        "SELECT E'a''\\'', set_config($1, $2, true) /* ' */",
        "SELECT 'it''s', set_config($1, $2, true), 'x'",
        "SELECT $1$, set_config($1, $2, true), $1$",
        "SELECT n'\\', set_config($1, $2, true) --'",
        "SELECT e.a, set_config($1, '', true) FROM e",
    ] {
        assert_eq!(examine(sql), Err(Refused::Rebinds), "{sql}");
    }
    assert_eq!(examine("SELECT E'a'\n'\\', set_config($1, $2, true)'"), Ok(()));
    // A word does not have the `$` that follows a number.
    let number = "SELECT 1e5$$ $$, set_config($1, $2, true) $$";
    assert_eq!(examine(number), Err(Refused::Unrecognised));
}

fn blank() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ \t\n\r\u{b}\u{c}]{1,3}",
        "--[a-zA-Z;'\" /*]{0,8}\n",
        "/\\*[a-zA-Z;'\" ]{0,8}\\*/",
        Just("/* a /* b */ ; */".to_owned()),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_in_front_hides_a_commit(before in blank(), after in blank(), upper: [bool; 6]) {
        let keyword: String = "commit"
            .chars()
            .zip(upper)
            .map(|(it, upper)| if upper { it.to_ascii_uppercase() } else { it })
            .collect();
        let sql = format!("{before};{after}{keyword}{after}");
        prop_assert_eq!(examine(&sql), Err(Refused::EndsTransaction));
    }

    #[test]
    fn nothing_around_hides_a_set_config(
        text in "[^'\\\\\0]{0,12}", name in "[^\"\0]{0,12}", between in blank(),
    ) {
        let sql = format!("SELECT '{text}', \"x{name}\", {between} set_config($1, $2, true)");
        prop_assert_eq!(examine(&sql), Err(Refused::Rebinds));
    }

    #[test]
    fn no_text_is_taken_for_a_statement(text in "[^'\0]{0,24}", body in "[^$\0]{0,24}") {
        let sql = format!("SELECT '{text}', $t${body}$t$, $1");
        prop_assert_eq!(examine(&sql), Ok(()));
    }

    #[test]
    fn no_input_makes_it_panic(sql in "\\PC{0,64}", ascii in "[ -~\n\0]{0,64}") {
        let _ = (examine(&sql), examine(&ascii));
    }
}
