//! [`Error`]: what a handler may end with, and how it is answered in each protocol.

use tenantkit_core::Refusal;

/// What a handler may end with. It converts from each crate's error, from `sqlx::Error` and from
/// `tonic::Status`, and answers as the table of refusals says: `?` is all that a handler needs.
///
/// What is no refusal is answered by its kind alone: 404 for a row that is not there, 500 for the
/// rest. Neither answer tells what the database said; the error does, to whoever logs it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A door said no, here or in a service that was called.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database.
    #[cfg(feature = "sqlx")]
    #[error(transparent)]
    Database(tenantkit_sqlx::Error),
    /// A call to another service.
    #[cfg(feature = "tonic")]
    #[error("a call failed: {}", .0.code())]
    Call(Box<tonic::Status>),
}

#[cfg(feature = "sqlx")]
mod from_sqlx {
    use super::Error;

    impl From<tenantkit_sqlx::Error> for Error {
        fn from(error: tenantkit_sqlx::Error) -> Self {
            match error.refusal() {
                Some(refusal) => Self::Refused(refusal),
                None => Self::Database(error),
            }
        }
    }

    impl From<sqlx::Error> for Error {
        fn from(error: sqlx::Error) -> Self {
            tenantkit_sqlx::Error::from(error).into()
        }
    }
}

/// Whether a query for one row found none.
#[cfg(all(feature = "sqlx", any(feature = "axum", feature = "tonic")))]
const fn is_not_found(error: &tenantkit_sqlx::Error) -> bool {
    matches!(error, tenantkit_sqlx::Error::Sqlx(sqlx::Error::RowNotFound))
}

#[cfg(feature = "tonic")]
mod tonic_status {
    use tenantkit_core::{Door, Reason, Refusal};
    use tenantkit_grpc::IntoStatus;
    use tonic::Status;
    use tonic_types::StatusExt;

    use super::Error;

    impl From<Status> for Error {
        /// A refusal by another service of the family stays that refusal.
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
        let refusal = Refusal::new(reason, Door::Call);
        let wait = status.get_details_retry_info().and_then(|info| info.retry_delay);
        Some(wait.map_or(refusal, |wait| refusal.retry_after(wait)))
    }

    impl From<Error> for Status {
        fn from(error: Error) -> Self {
            match error {
                Error::Refused(refusal) => refusal.into_status(),
                #[cfg(feature = "sqlx")]
                Error::Database(error) if super::is_not_found(&error) => {
                    Self::not_found("not found")
                }
                #[cfg(feature = "sqlx")]
                Error::Database(_) => Self::internal("the database could not do it"),
                Error::Call(status) => *status,
            }
        }
    }
}

#[cfg(feature = "axum")]
mod axum_answer {
    use axum_core::response::{IntoResponse, Response};

    use super::Error;

    impl IntoResponse for Error {
        fn into_response(self) -> Response {
            match self {
                Self::Refused(refusal) => refusal.into_response(),
                #[cfg(feature = "sqlx")]
                Self::Database(error) if super::is_not_found(&error) => {
                    super::problem::answer(http::StatusCode::NOT_FOUND, None)
                }
                #[cfg(feature = "sqlx")]
                Self::Database(_) => {
                    super::problem::answer(http::StatusCode::INTERNAL_SERVER_ERROR, None)
                }
                #[cfg(feature = "tonic")]
                Self::Call(status) => super::problem::of_call(&status),
            }
        }
    }
}

/// Answers to what is no refusal: problem details, RFC 9457.
#[cfg(all(feature = "axum", any(feature = "sqlx", feature = "tonic")))]
mod problem {
    use axum_core::response::{IntoResponse, Response};
    use http::{HeaderValue, StatusCode, header};
    use serde_json::json;

    /// Tells no more than the status and, where there is one, the detail (section 4.2.1).
    pub(super) fn answer(status: StatusCode, detail: Option<&str>) -> Response {
        let title = status.canonical_reason();
        let mut body = json!({ "type": "about:blank", "title": title, "status": status.as_u16() });
        if let Some(detail) = detail {
            body["detail"] = detail.into();
        }
        let mut answer = (status, body.to_string()).into_response();
        let headers = answer.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }

    /// As `google/rpc/code.proto` maps the codes. What the other service says is passed on only
    /// where it is meant for the caller: which argument is wrong.
    #[cfg(feature = "tonic")]
    pub(super) fn of_call(status: &tonic::Status) -> Response {
        use tonic::Code;

        match status.code() {
            Code::InvalidArgument => answer(StatusCode::BAD_REQUEST, Some(status.message())),
            Code::FailedPrecondition | Code::OutOfRange => answer(StatusCode::BAD_REQUEST, None),
            Code::NotFound => answer(StatusCode::NOT_FOUND, None),
            Code::AlreadyExists | Code::Aborted => answer(StatusCode::CONFLICT, None),
            Code::PermissionDenied => answer(StatusCode::FORBIDDEN, None),
            Code::ResourceExhausted => answer(StatusCode::TOO_MANY_REQUESTS, None),
            Code::Unimplemented => answer(StatusCode::NOT_IMPLEMENTED, None),
            Code::Unavailable => answer(StatusCode::SERVICE_UNAVAILABLE, None),
            Code::DeadlineExceeded => answer(StatusCode::GATEWAY_TIMEOUT, None),
            // `Unauthenticated` without our details too: what failed is our own identity, and not
            // the caller's.
            _ => answer(StatusCode::INTERNAL_SERVER_ERROR, None),
        }
    }
}
