//! What the database says, as [`Error`].

use super::Error;

impl From<tenantkit_sqlx::Error> for Error {
    fn from(error: tenantkit_sqlx::Error) -> Self {
        match error {
            tenantkit_sqlx::Error::Refused(refusal) => Self::Refused(refusal),
            error => Self::Database(error),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        tenantkit_sqlx::Error::from(error).into()
    }
}
