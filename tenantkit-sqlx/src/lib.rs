//! Transactions that belong to a tenant, on Postgres and sqlx.

mod as_tenant;
mod bind;
pub mod catalog;
mod conn;
mod cross_tenant;
mod error;
mod executor;
mod lease;
mod pool;
mod prepared;
pub mod rls;
mod savepoint;
mod session;
mod statement;
mod system;
mod transaction;
mod watch;

pub use as_tenant::AsTenant;
pub use catalog::Report;
pub use conn::TenantConn;
pub use cross_tenant::{CrossTenantPool, CrossTenantTx};
pub use error::Error;
pub use pool::{Begin, TenantPool, TenantPoolBuilder};
pub use savepoint::Savepoint;
pub use statement::StatementRefused;
pub use system::SystemTx;
pub use transaction::TenantTx;
