//! What became of a record, as [`Error`].

use super::Error;

impl From<tenantkit_kafka::Error> for Error {
    fn from(error: tenantkit_kafka::Error) -> Self {
        match error {
            tenantkit_kafka::Error::Refused(refusal) => Self::Refused(refusal),
            error => Self::Record(error),
        }
    }
}
