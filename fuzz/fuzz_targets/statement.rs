//! Statements are put together so that it is known from the start what Postgres reads: what ends or
//! rebinds a transaction is refused whatever stands around it, and what only quotes such a thing is not.
#![no_main]
#![allow(dead_code, reason = "the crate uses the rest of it")]

use libfuzzer_sys::fuzz_target;

// Only what decides: the rest of the crate would bring Postgres's driver along.
#[path = "../../tenantkit-sqlx/src/bind.rs"]
mod bind;
#[path = "../../tenantkit-sqlx/src/statement/examine.rs"]
mod examine;
#[path = "../../tenantkit-sqlx/src/statement/lex.rs"]
mod lex;
#[path = "../../tenantkit-sqlx/src/statement/refused.rs"]
mod refused;

use examine::examine;

/// Each of them ends, rebinds or outlives a transaction, or is about all tenants. A space stands where
/// anything may stand that Postgres skips.
const REFUSED: &[&str] = &[
    "ABORT",
    "ALTER ROLE a SET b = 1",
    "ALTER SYSTEM SET b = 1",
    "BEGIN",
    "CLUSTER",
    "COMMIT",
    "COMMIT AND CHAIN",
    "COPY a FROM STDIN",
    "DEALLOCATE ALL",
    "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
    "DISCARD ALL",
    "DO $$begin$$",
    "DROP OWNED BY a",
    "END",
    "EXECUTE a",
    "GRANT a TO b",
    "LISTEN a",
    "LOAD 'a'",
    "LOCK a",
    "PREPARE TRANSACTION 'a'",
    "PREPARE a AS SELECT 1",
    "RELEASE a",
    "RESET ALL",
    "RESET ROLE",
    "RESET SESSION AUTHORIZATION",
    "RESET app . tenant_id",
    "REVOKE a FROM b",
    "ROLLBACK",
    "ROLLBACK TO SAVEPOINT a",
    "SAVEPOINT a",
    "SELECT 1 ; COMMIT",
    "SELECT 1 ; SELECT 2",
    "SET LOCAL ROLE a",
    "SET LOCAL SESSION AUTHORIZATION a",
    "SET LOCAL TRANSACTION READ WRITE",
    "SET LOCAL \"app\" . \"tenant_id\" = a",
    "SET LOCAL \"app.tenant_id\" = a",
    "SET NAMES 'SJIS'",
    "SET ROLE a",
    "SET SESSION AUTHORIZATION a",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET SESSION SESSION AUTHORIZATION a",
    "SET SESSION app . tenant_id TO a",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE , READ WRITE",
    "SET app . cross_tenant = a",
    "SET standard_conforming_strings = off",
    "START TRANSACTION",
    "VACUUM",
    "WITH a AS ( SELECT set_config ( 'app.tenant_id' , 'b' , true ) ) TABLE a",
    "CREATE FUNCTION f ( ) RETURNS int LANGUAGE sql SET app . tenant_id = a AS ''",
];

/// Each calls the function that rebinds.
const CALLS: &[&str] = &[
    "set_config ( $1 , $2 , true )",
    "pg_catalog . set_config ( $1 , $2 , true )",
    "\"set_config\" ( $1 , $2 , true )",
    "\"pg_catalog\" . \"set_config\" ( $1 , $2 , true )",
    "U&\"set\\005fconfig\" ( $1 , $2 , true )",
];

/// What texts are made of: whatever could end a text too early or too late, or be taken for something.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "'", "''", "\"", "\\", "\\'", "$", "$$", "$a$", "--", "/*", "*/", "/", "*", ";", "\n", "\r", " ",
    "\t", "e'", "E'", "u&'", "U&\"", "(", ")", ",", "é", "\u{a0}", "1e5", "0", "a", "_", "COMMIT",
    "set_config", "SET", "app.tenant_id",
];

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    match choices.of(4) {
        0 => {
            let before = ["", ";", "( ", ";;("][choices.of(4)];
            let statement = REFUSED[choices.of(REFUSED.len())];
            let sql = format!("{}{before}{}", choices.blank(), choices.spelled(statement));
            assert!(examine(&sql).is_err(), "let through: {sql:?}");
        }
        1 => {
            let (before, after) = (choices.values(), choices.values());
            let call = CALLS[choices.of(CALLS.len())];
            let sql = format!("SELECT {before},{},{after}", choices.spelled(call));
            assert!(examine(&sql).is_err(), "let through: {sql:?}");
        }
        2 => {
            let (begin, end) = [
                ("SELECT ", ""),
                ("(SELECT ", ") ;"),
                ("INSERT INTO commits VALUES (", ") ON CONFLICT DO NOTHING"),
                ("UPDATE commits SET role = (SELECT ROW(", "))"),
                ("SET LOCAL app.user_id = ", ""),
            ][choices.of(5)];
            let sql = format!("{}{begin}{}{end}", choices.blank(), choices.values());
            assert_eq!(examine(&sql), Ok(()), "refused: {sql:?}");
        }
        _ => {
            let sql = String::from_utf8_lossy(choices.0);
            let tokens = lex::Lexer::new(&sql).take(sql.len() + 1).count();
            assert!(tokens <= sql.len(), "more tokens than bytes: it does not come to an end");
            let behind_a_comment = format!("/* /**/ ' */ -- '\n{sql}");
            assert_eq!(examine(&sql), examine(&behind_a_comment), "a comment decides: {sql:?}");
        }
    }
});

/// The bytes of the fuzzer, as decisions. Where they end, the first choice is made.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn of(&mut self, ways: usize) -> usize {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(first) % ways
    }

    fn text(&mut self) -> String {
        (0..self.of(8)).map(|_| PIECES[self.of(PIECES.len())]).collect()
    }

    fn line(&mut self) -> String {
        self.text().replace(['\n', '\r'], "")
    }

    /// What Postgres skips, and never nothing.
    fn blank(&mut self) -> String {
        let mut blank = String::new();
        loop {
            blank += &match self.of(5) {
                0 => " ".to_owned(),
                1 => ["\n", "\t", "\r\n", "\u{c}"][self.of(4)].to_owned(),
                2 => format!("--{}{}", self.line(), ["\n", "\r"][self.of(2)]),
                3 => format!("/*{}*/", self.text().replace(['*', '/'], "")),
                _ => format!("/*/*{}*/'*/", self.text().replace(['*', '/'], "")),
            };
            if self.of(3) == 0 {
                return blank;
            }
        }
    }

    /// White space with the end of a line in it, over which a string goes on.
    fn break_of_line(&mut self) -> String {
        match self.of(3) {
            0 => "\n".to_owned(),
            1 => format!(" --{}\n\t", self.line()),
            _ => format!("\r--{}\n", self.line()),
        }
    }

    /// A statement in any spelling that means the same.
    fn spelled(&mut self, statement: &str) -> String {
        let mut spelled = String::new();
        for (index, token) in statement.split(' ').enumerate() {
            if index > 0 {
                spelled += &self.blank();
            }
            for letter in token.chars() {
                let upper = !token.contains(['"', '\'', '$']) && self.of(2) == 1;
                spelled.push(if upper { letter.to_ascii_uppercase() } else { letter });
            }
        }
        spelled
    }

    fn values(&mut self) -> String {
        let mut values = self.value();
        for _ in 0..self.of(4) {
            values = format!("{values}{},{}{}", self.blank(), self.blank(), self.value());
        }
        values
    }

    /// One value or name that says nothing to Postgres, whatever it quotes.
    fn value(&mut self) -> String {
        let text = self.text();
        let doubled = text.replace('\'', "''");
        match self.of(9) {
            0 => format!("'{doubled}'"),
            1 => format!("E'{}'", self.escaped(&text)),
            2 => {
                let more = self.text();
                let (text, more) = (self.escaped(&text), self.escaped(&more));
                format!("e'{text}'{}'{more}'", self.break_of_line())
            }
            3 => {
                let delimiter = ["$$", "$a$", "$é_1$"][self.of(3)];
                let ends_early =
                    format!("{text}{delimiter}").find(delimiter).is_some_and(|at| at < text.len());
                let text = if ends_early { text.replace('$', "") } else { text };
                format!("{delimiter}{text}{delimiter}")
            }
            4 => format!("U&'{}'", doubled.replace('\\', "")),
            5 => format!("N'{doubled}'"),
            6 => format!("\"x{}\"", text.replace('"', "\"\"")),
            7 => ["1", "1.5e5", "$1", "-1", "0x1F"][self.of(5)].to_owned(),
            _ => ["a", "a$b$", "é", "x.y", "e"][self.of(5)].to_owned(),
        }
    }

    fn escaped(&mut self, text: &str) -> String {
        let quote = ["\\'", "''"][self.of(2)];
        text.replace('\\', "\\\\").replace('\'', quote)
    }
}
