//! Answers that are made here, and how the layers outside tell them from the peer's.

use http::{HeaderName, HeaderValue, Response, header};
use tenantkit_core::Refusal;

use crate::{ClientError, protocol::Protocol, refusal::grpc_answer};

/// In the extensions of an answer to a call that was not sent because it was too late.
#[derive(Debug, Clone, Copy)]
struct TooLate;

/// Refuses a call: as a status over gRPC, and else as an error.
pub(super) fn refuse<B: Default>(
    refusal: &Refusal,
    protocol: Protocol,
) -> Result<Response<B>, ClientError> {
    match protocol.content_type() {
        Some(content_type) => Ok(grpc_answer(refusal, content_type, B::default())),
        None => Err(ClientError::Refused(*refusal)),
    }
}

/// Refuses a call whose caller has given up: `DEADLINE_EXCEEDED` over gRPC, and else an error.
pub(super) fn too_late<B: Default>(protocol: Protocol) -> Result<Response<B>, ClientError> {
    const MESSAGE: &str = "the deadline passed before the call was sent";
    let Some(content_type) = protocol.content_type() else {
        return Err(ClientError::DeadlineExceeded);
    };
    let mut answer = Response::new(B::default());
    answer.extensions_mut().insert(TooLate);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("4"));
    headers.insert(HeaderName::from_static("grpc-message"), HeaderValue::from_static(MESSAGE));
    Ok(answer)
}

/// Whether this is an answer of ours, so that it says nothing about the peer.
pub(super) fn is_ours<B>(answer: &Result<Response<B>, ClientError>) -> bool {
    match answer {
        Ok(answer) => {
            let extensions = answer.extensions();
            extensions.get::<Refusal>().is_some() || extensions.get::<TooLate>().is_some()
        }
        Err(ClientError::Inner(_)) => false,
        Err(_) => true,
    }
}
