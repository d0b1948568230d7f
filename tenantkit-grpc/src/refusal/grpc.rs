//! A refusal over gRPC: a status in headers or trailers, with `google.rpc` details.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use tenantkit_core::Refusal;

use super::details;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// What a trailers-only answer has beside its content type: the status, a message that says what to
/// do, and the details.
#[must_use]
pub fn grpc_headers(refusal: &Refusal) -> HeaderMap {
    let mut headers = grpc_trailers(refusal);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

/// The message of the status: what is wrong, and what the caller can do about it.
#[must_use]
pub fn grpc_message(refusal: &Refusal) -> String {
    format!("{}. {}", refusal.reason(), refusal.reason().advice())
}

/// The details of the status: a `google.rpc.Status` that holds an `ErrorInfo` (the reason is the
/// refusal's code, `NO_TENANT` and so on, in the domain `tenantkit`), where waiting helps a `RetryInfo`,
/// and where a limit of the tenant's refused a `QuotaFailure`.
#[must_use]
pub fn grpc_details(refusal: &Refusal) -> Vec<u8> {
    details::encode(refusal, &grpc_message(refusal))
}

/// The same as trailers: what ends a body.
pub(crate) fn grpc_trailers(refusal: &Refusal) -> HeaderMap {
    let message = grpc_message(refusal);
    let details = STANDARD_NO_PAD.encode(details::encode(refusal, &message));
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(GRPC_STATUS, HeaderValue::from(refusal.code().grpc_code()));
    // Fixed texts without `%`, which a test holds them to: percent-encoded they are themselves.
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(GRPC_MESSAGE, message);
    }
    if let Ok(details) = HeaderValue::try_from(details) {
        headers.insert(GRPC_STATUS_DETAILS, details);
    }
    headers
}

/// A trailers-only answer: HTTP 200 without a body. The refusal is in its extensions, as over HTTP.
pub(crate) fn grpc_answer<B>(refusal: &Refusal, content_type: HeaderValue, body: B) -> Response<B> {
    let mut answer = Response::new(body);
    answer.extensions_mut().insert(*refusal);
    *answer.headers_mut() = grpc_headers(refusal);
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer
}

#[cfg(test)]
mod tests {
    use tenantkit_core::{Door, Reason};

    use super::*;

    #[test]
    fn every_message_needs_no_percent_encoding() {
        for reason in Reason::ALL {
            let message = grpc_message(&Refusal::new(*reason, Door::Request));
            assert!(message.bytes().all(|it| matches!(it, b' '..=b'~') && it != b'%'), "{message}");
        }
    }
}
