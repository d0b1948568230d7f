//! Answers to what is no refusal: problem details, RFC 9457.

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
