//! Answers that are made here, and how the layers outside tell them from the peer's.

use http::Response;
use tenantkit_core::Refusal;

use crate::{ClientError, limit::deadline, protocol::Protocol, refusal::grpc_answer};

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
    let Some(content_type) = protocol.content_type() else {
        return Err(ClientError::DeadlineExceeded);
    };
    let mut answer = deadline::exceeded(content_type);
    answer.extensions_mut().insert(TooLate);
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
