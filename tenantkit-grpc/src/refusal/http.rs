//! A refusal over HTTP, with the challenge of the listener that refused.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use tenantkit_core::{Refusal, RefusalCode};

/// Which credentials a listener asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// `authorization: Bearer`, RFC 6750.
    Bearer,
    /// The `txn-token` header.
    TxnToken,
}

/// The answer over HTTP. The refusal is in its extensions, for a layer outside that counts or logs.
pub(crate) fn http_answer(refusal: &Refusal, challenge: Challenge) -> Response<Bytes> {
    let mut answer = refusal.to_http().map(Bytes::from);
    answer.extensions_mut().insert(*refusal);
    if challenge == Challenge::TxnToken
        && let Some(value) = answer.headers_mut().get_mut(header::WWW_AUTHENTICATE)
    {
        *value = HeaderValue::from_static(match refusal.code() {
            RefusalCode::NoTenant => "Txn-Token",
            _ => r#"Txn-Token error="invalid_token""#,
        });
    }
    answer
}
