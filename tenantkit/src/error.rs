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
    use http::{HeaderValue, StatusCode, header};

    use super::Error;

    impl IntoResponse for Error {
        fn into_response(self) -> Response {
            let status = match &self {
                Self::Refused(refusal) => return refusal.into_response(),
                #[cfg(feature = "sqlx")]
                Self::Database(error) if super::is_not_found(error) => StatusCode::NOT_FOUND,
                #[cfg(feature = "sqlx")]
                Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
                #[cfg(feature = "tonic")]
                Self::Call(status) => by_code(status.code()),
            };
            problem(status)
        }
    }

    /// As `google/rpc/code.proto` maps them.
    #[cfg(feature = "tonic")]
    fn by_code(code: tonic::Code) -> StatusCode {
        use tonic::Code;
        match code {
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
                StatusCode::BAD_REQUEST
            }
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            // `Unauthenticated` without our details: what failed is our own identity, and not the
            // caller's.
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Problem details that tell no more than the status, RFC 9457, section 4.2.1.
    fn problem(status: StatusCode) -> Response {
        let title = status.canonical_reason().unwrap_or_default();
        let body =
            format!(r#"{{"type":"about:blank","title":"{title}","status":{}}}"#, status.as_u16());
        let mut answer = (status, body).into_response();
        let headers = answer.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}
