//! Migrations: work of the service itself, in the name of the role that owns the tables.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, postgres::PgConnectOptions};
use tenantkit::{Authority, Door, Grant, InvalidText, Refusal, Subject, Text};

use crate::{authority::MIGRATE, config::Documents};

/// Why the database is not migrated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The work was not granted.
    #[error("cannot migrate: {0}")]
    Refused(#[from] Refusal),
    /// A name or a reason is none.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// The database cannot be reached.
    #[error("documents.owner_url: {0}")]
    Connect(#[from] sqlx::Error),
    /// A migration fails.
    #[error("documents.owner_url: cannot migrate: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// Brings the database up to date, and lets the role that `database_url` names serve from it. It is
/// audited first.
///
/// # Errors
///
/// When it is not granted, or fails.
pub async fn migrate(authority: &Authority, config: &Documents) -> Result<(), MigrateError> {
    let service = Subject::new(Text::new("acmedocs")?, Text::new("documents")?);
    let grant = Grant::new(service, Text::new("the service starts")?, Duration::from_secs(600));
    let work = authority.system_work(MIGRATE, grant).await?;

    let serving: PgConnectOptions = config.database_url.parse()?;
    let owner: PgConnectOptions = config.owner_url.parse()?;
    let owner = owner.options([("acmedocs.serving_role", serving.get_username())]);
    let mut owner = owner.connect().await?;
    work.check(authority, Door::Transaction)?;
    sqlx::migrate!().run(&mut owner).await?;
    Ok(owner.close().await?)
}
