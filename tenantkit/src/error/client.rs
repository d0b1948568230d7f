//! A call that brought no answer, as [`Error`].

use tenantkit_grpc::ClientError;

use super::Error;

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error.refusal() {
            Some(refusal) => Self::Refused(refusal),
            None => Self::Unreachable(Box::new(error)),
        }
    }
}
