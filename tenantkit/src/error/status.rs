//! [`Error`] as a tonic status, and back.

use tenantkit_core::{Door, Reason, Refusal, RefusalCode};
use tenantkit_grpc::IntoStatus;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::Error;

impl From<Status> for Error {
    /// A refusal by another service of the family stays that refusal, unless its door of requests says
    /// that the token of the call does not hold: that one is ours, and whoever called us has shown a
    /// good one. What a door behind that says of the identity, our own client layer's among them, is
    /// about the caller's: it has expired meanwhile, say.
    fn from(status: Status) -> Self {
        match refusal(&status) {
            Some(refusal) => Self::Refused(refusal),
            None => Self::Call(Box::new(status)),
        }
    }
}

fn refusal(status: &Status) -> Option<Refusal> {
    let info = status.get_details_error_info().filter(|info| info.domain == "tenantkit")?;
    let told = info.metadata.get("reason")?;
    let reason = *Reason::ALL.iter().find(|reason| reason.as_str() == told)?;
    let is_of_identity = matches!(reason.code(), RefusalCode::NoTenant | RefusalCode::Unverified);
    // A door that is not named is taken for that of requests.
    let door = info.metadata.get("door").map_or(Door::Request.as_str(), String::as_str);
    if is_of_identity && door == Door::Request.as_str() {
        return None;
    }
    let refusal = Refusal::new(reason, Door::Call);
    let wait = status.get_details_retry_info().and_then(|info| info.retry_delay);
    Some(wait.map_or(refusal, |wait| refusal.retry_after(wait)))
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if let Some(refusal) = error.refusal() {
            return refusal.into_status();
        }
        match error {
            #[cfg(feature = "sqlx")]
            error if error.is_not_found() => Self::not_found("not found"),
            // `Unauthenticated` is about our own identity, and not the caller's.
            Error::Call(status) if status.code() != Code::Unauthenticated => *status,
            error => {
                error.report();
                Self::internal("the service could not do it")
            }
        }
    }
}
