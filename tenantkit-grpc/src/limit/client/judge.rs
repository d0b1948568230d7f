//! What an answer says about another attempt.

use std::time::Duration;

use http::{Response, StatusCode};
use http_body::Body;
use tenantkit_core::UnixTime;

use super::{RetryBody, ending::grpc_status, local::is_ours, retry_after, retry_info};
use crate::{ClientError, protocol::Protocol};

const RESOURCE_EXHAUSTED: i32 = 8;
const UNAVAILABLE: i32 = 14;

/// What comes after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// Another may help, after what the peer wants waited.
    Again {
        told: Option<Duration>,
    },
}

pub(super) fn next<B: Body>(
    answer: &Result<Response<RetryBody<B>>, ClientError>,
    protocol: Protocol,
    now: UnixTime,
) -> Next {
    if is_ours(answer) {
        return Next::Nothing;
    }
    let Ok(answer) = answer else { return Next::Again { told: None } };
    if answer.body().is_broken() {
        return Next::Again { told: None };
    }
    let headers = answer.headers();
    if matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return Next::Again { told: retry_after::read(headers, now) };
    }
    if protocol == Protocol::Http {
        return Next::Nothing;
    }
    let in_head = grpc_status(headers).map(|code| (code, headers));
    let in_trailers =
        || answer.body().trailers().and_then(|it| grpc_status(it).map(|code| (code, it)));
    let Some((code, headers)) = in_head.or_else(in_trailers) else { return Next::Nothing };
    match (code, retry_info::read(headers)) {
        (UNAVAILABLE, told) => Next::Again { told },
        (RESOURCE_EXHAUSTED, Some(told)) => Next::Again { told: Some(told) },
        _ => Next::Nothing,
    }
}
