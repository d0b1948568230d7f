//! [`Error`] as an axum answer.

use axum_core::response::{IntoResponse, Response};

use super::Error;
#[cfg(any(feature = "sqlx", feature = "tonic"))]
use super::problem;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Some(refusal) = self.refusal() {
            return refusal.into_response();
        }
        match self {
            Self::Refused(refusal) => refusal.into_response(),
            #[cfg(feature = "sqlx")]
            error if error.is_not_found() => problem::answer(http::StatusCode::NOT_FOUND, None),
            #[cfg(feature = "sqlx")]
            Self::Database(_) => problem::answer(http::StatusCode::INTERNAL_SERVER_ERROR, None),
            #[cfg(feature = "tonic")]
            Self::Call(status) => problem::of_call(&status),
        }
    }
}
