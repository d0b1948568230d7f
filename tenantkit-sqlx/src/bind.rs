//! The SQL that binds a transaction, checks the binding, and cleans the session.
//!
//! Each text is one message of the simple protocol, and so one round trip. Names are qualified,
//! because a tenant's statement may have changed the search path.

use std::{fmt::Write as _, time::Duration};

use tenantkit_core::TenantId;

/// The setting that policies read.
pub(crate) const TENANT: &str = "app.tenant_id";
/// The setting that policies for a cross-tenant role read.
pub(crate) const CROSS_TENANT: &str = "app.cross_tenant";

/// Whose rows a transaction may see.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Binding {
    /// One tenant's.
    Tenant(TenantId),
    /// No tenant's.
    System,
    /// Those that the policies for a role of its own show it.
    CrossTenant,
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    pub(crate) read_only: bool,
    pub(crate) statement_timeout: Option<Duration>,
    /// Between two statements.
    pub(crate) idle_timeout: Duration,
    /// Of the whole transaction. `None` where the server does not know it, which is one before 17.
    pub(crate) transaction_timeout: Option<Duration>,
}

impl Binding {
    /// Begins a transaction and binds it. `SET LOCAL` and not `set_config`, so that the serving role
    /// need not be able to execute the latter.
    pub(crate) fn begin(self, mode: Mode) -> String {
        let mut sql = String::with_capacity(160);
        sql.push_str(if mode.read_only { "BEGIN READ ONLY" } else { "BEGIN" });
        self.each(|name, value| {
            sql.push_str("; SET LOCAL ");
            sql.push_str(name);
            sql.push_str(" = ");
            sql.push_str(&literal(value));
        });
        for (name, timeout) in [
            ("statement_timeout", mode.statement_timeout),
            ("idle_in_transaction_session_timeout", Some(mode.idle_timeout)),
            ("transaction_timeout", mode.transaction_timeout),
        ] {
            if let Some(timeout) = timeout {
                let _ = write!(sql, "; SET LOCAL {name} = {}", millis(timeout));
            }
        }
        sql
    }

    /// Fails in an aborted transaction (25P02), and by a division by zero (22012) where the binding
    /// is not what it was. A setting that nobody ever made is null, and null must not pass.
    pub(crate) fn guard(self) -> String {
        let mut sql = String::with_capacity(160);
        self.each(|name, value| {
            let value = literal(value);
            sql.push_str(if sql.is_empty() { "SELECT " } else { ", " });
            let _ = write!(
                sql,
                "1 OPERATOR(pg_catalog./) (COALESCE(pg_catalog.current_setting('{name}', true), '') \
                 OPERATOR(pg_catalog.=) {value})::pg_catalog.int4"
            );
        });
        sql
    }

    fn each(self, mut setting: impl FnMut(&'static str, &str)) {
        match &self {
            Self::Tenant(tenant) => setting(TENANT, tenant),
            Self::System => setting(TENANT, ""),
            Self::CrossTenant => {
                setting(TENANT, "");
                setting(CROSS_TENANT, "on");
            }
        }
    }
}

/// What follows a `COMMIT` or a `ROLLBACK` in the same message: whatever was done to the session is
/// undone. Prepared statements stay, because sqlx counts on them. The session's own user cannot have
/// changed: only a superuser changes that, and the auditor refuses a login that is one, whatever role
/// was set since. (`RESET SESSION AUTHORIZATION` would bring such a login back.)
pub(crate) const RESET: &str = "; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; \
     SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/// Follows [`RESET`]. A tenant that prepared a statement in SQL, under a name that sqlx has given to
/// the service's own, would have the next tenant run it. That session is not to be used again: this
/// fails in it, by a division by zero.
pub(crate) const REFUSE_PREPARED: &str = "; SELECT 1 OPERATOR(pg_catalog./) (NOT EXISTS (SELECT \
     FROM pg_catalog.pg_prepared_statement() p WHERE p.from_sql))::pg_catalog.int4";

/// Follows [`RESET`] behind PgBouncer, where closing our end does not end the session, and where
/// sqlx keeps no statement by a name. PgBouncer does not pass the settings on at start, and so
/// `RESET ALL` loses them.
pub(crate) const RESET_BEHIND_PGBOUNCER: &str = "; DEALLOCATE ALL; \
     SET client_encoding = 'UTF8'; SET DateStyle = 'ISO, MDY'; SET TimeZone = 'UTC'";

/// A timeout in the unit of Postgres's settings. 0 would be none.
pub(crate) fn millis(timeout: Duration) -> u128 {
    timeout.as_millis().clamp(1, i32::MAX as u128)
}

/// A string literal. `E''` means the same whatever `standard_conforming_strings` is.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// An identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_literal_or_its_identifier() {
        assert_eq!(literal(r"a'b\'; COMMIT"), r"E'a''b\\''; COMMIT'");
        assert_eq!(identifier("a\"; DROP"), "\"a\"\"; DROP\"");
    }

    #[test]
    fn a_transaction_begins_bound_in_one_message() {
        let binding = Binding::Tenant(TenantId::new("acme").unwrap());
        let mode = Mode {
            read_only: true,
            statement_timeout: Some(Duration::from_secs(5)),
            idle_timeout: Duration::from_secs(60),
            transaction_timeout: Some(Duration::from_secs(600)),
        };
        assert_eq!(
            binding.begin(mode),
            "BEGIN READ ONLY; SET LOCAL app.tenant_id = E'acme'; SET LOCAL statement_timeout = 5000; \
             SET LOCAL idle_in_transaction_session_timeout = 60000; \
             SET LOCAL transaction_timeout = 600000"
        );
    }
}
