//! Transactions that belong to a tenant, on Postgres and sqlx.
//!
//! ```no_run
//! use tenantkit_core::{Authority, TenantContext};
//! use tenantkit_sqlx::{Error, TenantConn, TenantPool};
//!
//! # async fn example(authority: &Authority, tenant: TenantContext) -> Result<(), Error> {
//! // Refuses a role that row-level security does not bind, with the SQL that mends it.
//! let pool = TenantPool::connect("postgres://acmedocs_app@localhost/acmedocs", authority).await?;
//!
//! // There is no transaction without a tenant.
//! let mut tx = pool.begin(&tenant).await?;
//! rename(&mut tx, 7, "Plan").await?;
//! tx.commit().await?;
//! # Ok(())
//! # }
//!
//! /// Works in a transaction and in a savepoint, and has no way to the connection.
//! async fn rename(conn: &mut TenantConn, id: i64, title: &str) -> Result<(), Error> {
//!     sqlx::query("UPDATE documents SET title = $1 WHERE id = $2")
//!         .bind(title)
//!         .bind(id)
//!         .execute(conn)
//!         .await?;
//!     Ok(())
//! }
//! ```
//!
//! # What is promised
//!
//! - **Bound before the first statement.** `app.tenant_id` is set in the round trip of the `BEGIN`, and
//!   only for the transaction. Policies ([`rls`] writes them) do the rest. Begin, query and commit are
//!   three round trips.
//! - **Verified at the commit.** A transaction that was aborted, or whose binding is not what it was,
//!   is not committed, and says so: in the commit's own round trip.
//! - **Clean for the next borrower.** Settings, role, temporary tables, listens, cursors, advisory locks
//!   and sequence values are reset in that round trip too, and after a rollback as well. A session in
//!   which a tenant prepared a statement is closed. So is one that turns out to lack a statement or a
//!   type that sqlx counts on: the first borrower meets that error, and is the last who does.
//! - **Ended at last.** Postgres ends a transaction that stands still
//!   ([`idle_timeout`](TenantPoolBuilder::idle_timeout)), a statement that takes too long, and from
//!   17 on a transaction that takes too long in all: [`Error::TimedOut`].
//! - **Whatever is dropped.** A future dropped at any poll leaves no binding and no open transaction. Between
//!   two statements the connection is kept: an early `?` costs a rollback in the background.
//! - **One statement at a time.** All statements go by the extended protocol. One that ends or rebinds
//!   the transaction is refused before it is sent, where it is recognised ([`StatementRefused`]).
//! - **Down is not wrong.** When Postgres cannot be reached, [`Error::refusal`] is one that a client may
//!   retry, and once that is known nobody waits for it; when it is back, so is the pool. A commit of
//!   which nobody knows has a reason of its own, which tells to look first: [`Error::CommitUnknown`].
//! - **One tenant never has all connections**, where a cap was set (feature `limit`,
//!   `TenantPoolBuilder::connections_per_tenant`): slow statements of one leave others theirs. How long
//!   a statement may take is said by tier as well
//!   ([`statement_timeout_of`](TenantPoolBuilder::statement_timeout_of)).
//!
//! # What is not
//!
//! Row-level security stops mistakes: the query without its `WHERE`. It does not stop an injection. Whoever
//! can make the service run SQL of their own can bind a transaction as the service does; the
//! commit then notices, but a read has been made. [`rls::HARDENING`] takes one way away, and
//! [`Auditor::hardened`](catalog::Auditor::hardened) finds where that was not done;
//! [what is left](rls#what-it-does-not-stop) is for roles and grants.
//!
//! A transaction that is rolled back is not verified: what it read by a binding of its own, nobody is
//! told. Nor is what a deferred trigger does, which the commit runs after it has verified. What an
//! extension keeps for a session (connections of dblink, `%_SHARED` of PL/Perl) no cleaning reaches. And before Postgres 17 nothing on the server ends a statement whose rows nobody takes.
//!
//! Other work has doors of its own: [`TenantPool::begin_system`] for the service itself,
//! [`CrossTenantPool`] for work over many tenants. Neither is a [`TenantConn`].
//!
//! # Behind PgBouncer
//!
//! In transaction mode, with [`TenantPoolBuilder::behind_pgbouncer`]. PgBouncer has to be told
//! `ignore_startup_parameters = extra_float_digits`, which sqlx sends. A transaction that was aborted
//! and is held is then PgBouncer's to end (`idle_transaction_timeout`): it takes no settings at start.

#![forbid(unsafe_code)]

mod as_tenant;
mod begin;
mod bind;
pub mod catalog;
mod conn;
#[cfg(feature = "limit")]
mod connections;
mod cross_tenant;
mod error;
mod executor;
mod lease;
mod outage;
mod pool;
mod prepared;
pub mod rls;
mod savepoint;
mod session;
mod share;
mod span;
mod statement;
mod system;
mod trail;
mod transaction;
mod watch;
mod work;

pub use as_tenant::AsTenant;
pub use catalog::Report;
pub use conn::TenantConn;
#[cfg(feature = "limit")]
pub use connections::Connections;
pub use cross_tenant::{CrossTenantPool, CrossTenantPoolBuilder, CrossTenantTx};
pub use error::Error;
pub use pool::{Begin, PoolStats, TenantPool, TenantPoolBuilder};
pub use savepoint::Savepoint;
pub use statement::StatementRefused;
pub use system::SystemTx;
pub use transaction::TenantTx;
