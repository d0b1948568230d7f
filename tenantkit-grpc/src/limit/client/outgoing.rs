//! The deadline of a call that goes out.

use http::{HeaderMap, HeaderValue, Request};

use crate::{
    limit::{Deadline, deadline},
    protocol::Protocol,
};

/// When its caller gives up: by its extensions, by the `grpc-timeout` that it has already, or, where it
/// says neither, with the request that is being worked for.
pub(super) fn deadline<B>(request: &Request<B>, protocol: Protocol) -> Option<Deadline> {
    let said = request.extensions().get::<Deadline>().copied();
    let said = said.or_else(Deadline::current);
    let written = (protocol != Protocol::Http).then(|| Deadline::of(request.headers())).flatten();
    Deadline::sooner(said, written)
}

/// Tells the peer what remains. `false` where nothing does. Over HTTP there is no header for it.
pub(super) fn stamp(
    headers: &mut HeaderMap,
    deadline: Option<Deadline>,
    protocol: Protocol,
) -> bool {
    let Some(remaining) = deadline.map(Deadline::remaining) else { return true };
    if remaining.is_zero() {
        return false;
    }
    if protocol != Protocol::Http
        && let Ok(value) = HeaderValue::try_from(deadline::write(remaining))
    {
        headers.insert("grpc-timeout", value);
    }
    true
}
