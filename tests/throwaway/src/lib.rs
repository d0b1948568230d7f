//! Real servers for tests and demonstrations: started on free ports in temporary folders, and
//! always stopped.
//!
//! Nothing here is a mock. A [`Postgres`] is the server that a distribution ships, a [`Proxy`] moves
//! real bytes, and whatever was started is gone when the process that asked for it is: after a
//! drop, a panic, Ctrl-C, and even after `SIGKILL`, because a small shell beside each server waits
//! for the end of a pipe that only we hold.
//!
//! ```no_run
//! use throwaway::{Postgres, PostgresVersion, Proxy};
//!
//! # fn main() -> Result<(), throwaway::Error> {
//! let postgres = Postgres::shared(PostgresVersion::System)?;
//! let database = postgres.fresh_database()?;
//! let serving = database.role("serving", "NOBYPASSRLS")?;
//! database.execute("CREATE TABLE documents (id bigint)")?;
//!
//! let link = Proxy::start(postgres.address()?)?;
//! link.set_delay(std::time::Duration::from_millis(5));
//! println!("{}", database.url_through(&link, &serving));
//! # Ok(())
//! # }
//! ```
//!
//! All of it is blocking and safe to call from inside any async runtime: what needs one runs on a
//! thread of its own.

mod blocking;
mod collector;
mod database;
mod error;
mod folder;
mod kafka;
mod keeper;
mod leash;
mod pgbouncer;
mod port;
mod postgres;
mod proxy;
mod redis;
pub mod tools;

pub use collector::Collector;
pub use database::Database;
pub use error::Error;
pub use folder::Folder;
pub use kafka::Kafka;
pub use leash::{leash, wait};
pub use pgbouncer::PgBouncer;
pub use port::free_port;
pub use postgres::{Postgres, PostgresVersion};
pub use proxy::Proxy;
pub use redis::Redis;
