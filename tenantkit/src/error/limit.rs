//! What the door of the limits says, as [`Error`].

use tenantkit_limit::limits::Denied;

use super::Error;

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self::Refused(denied.refusal())
    }
}
