//! [`Error`] as an axum answer.

use axum_core::response::{IntoResponse, Response};

use super::{Error, problem};

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Some(refusal) = self.answered_refusal() {
            return refusal.into_response();
        }
        let answer = match &self {
            #[cfg(feature = "sqlx")]
            error if error.is_not_found() => problem::answer(http::StatusCode::NOT_FOUND, None),
            #[cfg(feature = "tonic")]
            Self::Call(status) => problem::of_call(status),
            _ => problem::answer(http::StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        if answer.status().is_server_error() {
            self.report();
        }
        answer
    }
}
