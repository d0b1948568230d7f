//! The kit: row-level security for a table, as SQL for migrations of your own.
//!
//! sqlx reads migrations from files, so the kit is a file as well: copy [`MIGRATION`] (which is
//! `sql/tenantkit.sql` of this crate) into the folder of your migrations, before the first that makes
//! a table with tenants. It installs the schema `tenantkit` with the functions that these call:
//!
//! ```sql
//! CREATE TABLE documents (
//!     tenant_id text NOT NULL,
//!     id        uuid NOT NULL DEFAULT gen_random_uuid(),
//!     title     text NOT NULL,
//!     PRIMARY KEY (tenant_id, id)
//! );
//! SELECT tenantkit.protect('documents', 'acmedocs_app');
//! -- again, for each further role that serves:
//! SELECT tenantkit.protect('documents', 'acmedocs_worker');
//! -- only where work over many tenants is to see it, by a role of its own:
//! SELECT tenantkit.open_across('documents', 'acmedocs_support');
//! ```
//!
//! Whoever writes migrations in Rust, or wants to read what happens, has the same from
//! [`TenantTable`]:
//!
//! ```
//! use tenantkit_sqlx::rls::TenantTable;
//!
//! let sql = TenantTable::new("documents").serving_role("acmedocs_app").sql();
//! assert!(sql.contains(r#"FORCE ROW LEVEL SECURITY"#));
//! ```
//!
//! What a table needs besides, and what [`protect`](MIGRATION) refuses to go without: an index that
//! leads with the tenant. Make it the primary key, and lead each unique and each foreign key with the
//! tenant too: a unique key over all tenants tells one what another has, and a foreign key without
//! the tenant lets one's rows hang on another's. The [auditor](crate::catalog) finds where that was not
//! done.
//!
//! Then an `INSERT` needs no tenant column, because its default is the tenant of the transaction. The role
//! may use the table's schema, and the sequence of a `serial`; better are random ids, or an identity
//! column, whose sequence nobody has to be able to ask.
//!
//! # What it does not stop
//!
//! Row-level security stops mistakes. Whoever can make the service run SQL of their own can bind a
//! transaction to any tenant, as the service does. [`HARDENING`] takes away the one function with
//! which that fits into a query; the transactions of this crate do without it.
//!
//! Nor does it part what all sessions of the one serving role share. Such SQL can
//!
//! - read in `pg_stat_activity` what the role's other sessions run, the `BEGIN` of each with its tenant,
//!   and end them with `pg_terminate_backend`;
//! - wait for or take advisory locks, lock tables by way of a function, and `NOTIFY` a channel on which
//!   others listen;
//! - make the `random()` of the next borrower predictable with `setseed`, which nothing resets (keys
//!   come from `gen_random_uuid()`, which it does not reach);
//! - make the next borrower's statement fail once, and its connection with it, by `DEALLOCATE` or by a
//!   temporary table in a function. `REVOKE TEMPORARY ON DATABASE ... FROM PUBLIC` takes away the
//!   temporary functions in which that is written. A pool does not refuse a role that may make them, as
//!   every new database lets everybody; [`Auditor::hardened`](crate::catalog::Auditor::hardened) does.

mod table;

pub use table::TenantTable;

/// Installs the schema `tenantkit`, with `protect` and `open_across`.
pub const MIGRATION: &str = include_str!("../sql/tenantkit.sql");

/// Takes away, from everybody, the one function with which a query can change the binding, and large
/// objects, which have no policies. Run it as a superuser, in each database. (`SET` is a statement,
/// and does not fit into a query.)
pub const HARDENING: &str = "\
REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;
DO $$
DECLARE
    large_object_function regprocedure;
BEGIN
    FOR large_object_function IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
            AND (proname ~ '^lo_' OR proname IN ('loread', 'lowrite'))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', large_object_function);
    END LOOP;
END $$;
";
