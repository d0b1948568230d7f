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
            None if brought_no_answer(&status) => Self::Unreachable(Box::new(status)),
            None => Self::Call(Box::new(status)),
        }
    }
}

/// Whether it was made here, of an error of the connection or of a timeout: what a service answers
/// has no source.
fn brought_no_answer(status: &Status) -> bool {
    let of_transport = matches!(
        status.code(),
        Code::Cancelled | Code::Internal | Code::Unavailable | Code::Unknown
    );
    of_transport && std::error::Error::source(status).is_some()
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
        if let Some(refusal) = error.answered_refusal() {
            return refusal.into_status();
        }
        match &error {
            #[cfg(feature = "sqlx")]
            error if error.is_not_found() => Self::not_found("not found"),
            Error::Call(status) => {
                let told = of_call(status);
                if is_fault(told.code()) {
                    error.report();
                }
                told
            }
            error => {
                error.report();
                Self::internal(FAULT)
            }
        }
    }
}

const FAULT: &str = "the service could not do it";

/// The kind of what the other service says, as over HTTP. What it says in words, details and metadata
/// is passed on only where it is meant for the caller: which argument is wrong.
fn of_call(status: &Status) -> Status {
    match status.code() {
        Code::InvalidArgument => Status::invalid_argument(status.message()),
        code @ (Code::FailedPrecondition
        | Code::OutOfRange
        | Code::NotFound
        | Code::AlreadyExists
        | Code::Aborted
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::Unavailable
        | Code::DeadlineExceeded) => Status::new(code, code.description()),
        // `Unauthenticated` is about our own identity, and not the caller's.
        _ => Status::internal(FAULT),
    }
}

/// What is answered over HTTP with a status of 500 or more.
const fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Internal | Code::Unimplemented | Code::Unavailable | Code::DeadlineExceeded
    )
}
