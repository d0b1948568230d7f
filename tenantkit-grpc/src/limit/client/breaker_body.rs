//! [`BreakerBody`]: an answer whose ending the breaker learns.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project::{pin_project, pinned_drop};

use super::{Ending, Verdict, ending::grpc_status, watch::Watch};
use crate::{BoxError, ClientError, protocol::Protocol};

/// The peer's body, or none where there was no call. The breaker learns how the call ended when the
/// body has: over gRPC from its trailers.
///
/// # Cancellation
///
/// Dropped before its end, the call counts by what there was of it: over HTTP by its status; over gRPC
/// as a success once something of the body has come, and else not at all.
#[pin_project(PinnedDrop)]
pub struct BreakerBody<B>(#[pin] Option<Peers<B>>);

#[pin_project]
struct Peers<B> {
    #[pin]
    body: B,
    watch: Option<Watch>,
    /// What ends without trailers of gRPC is by this.
    ends: Ends,
    /// What is told of a body that is dropped.
    so_far: Verdict,
}

#[derive(Clone, Copy)]
enum Ends {
    Http(StatusCode),
    /// Its status stands in trailers.
    Grpc,
}

impl<B> BreakerBody<B> {
    /// An answer that says nothing about the dependency.
    pub(super) const fn unwatched(body: B) -> Self {
        let ends = Ends::Grpc;
        Self(Some(Peers { body, watch: None, ends, so_far: Verdict::SaysNothing }))
    }

    /// The peer's body; `None` where there was no call. Its ending is not learned any more.
    pub fn into_inner(mut self) -> Option<B> {
        self.0.take().map(|peers| peers.body)
    }
}

impl<B: Body<Error: Into<BoxError>>> BreakerBody<B> {
    pub(super) fn watched(
        answer: Response<B>,
        mut watch: Watch,
        protocol: Protocol,
    ) -> Response<Self> {
        watch.answered();
        let status = answer.status();
        // A proxy that cannot reach the peer answers in HTTP.
        let is_grpc = protocol != Protocol::Http && status == StatusCode::OK;
        let in_head = is_grpc.then(|| grpc_status(answer.headers())).flatten();
        let ends = match protocol {
            // In gRPC-Web the trailers stand in the body, where they are not looked for.
            Protocol::Grpc if is_grpc => Ends::Grpc,
            _ => Ends::Http(status),
        };
        let ending = match (in_head, ends) {
            (Some(code), _) => Some(Ending::Grpc(code)),
            (None, Ends::Http(status)) => Some(Ending::Http(status)),
            (None, Ends::Grpc) => answer.body().is_end_stream().then_some(Ending::Grpc(2)),
        };
        let so_far = ending.map_or(Verdict::SaysNothing, |ending| watch.verdict(&ending));
        // Only of a success is it worth to see whether it stays one.
        let is_known = ending.is_some()
            && (so_far != Verdict::Succeeded || in_head.is_some() || answer.body().is_end_stream());
        if is_known {
            watch.tell(so_far);
        }
        let watch = (!watch.is_over()).then_some(watch);
        answer.map(|body| Self(Some(Peers { body, watch, ends, so_far })))
    }
}

/// An empty body.
impl<B> Default for BreakerBody<B> {
    fn default() -> Self {
        Self(None)
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for BreakerBody<B> {
    type Data = B::Data;
    type Error = ClientError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, ClientError>>> {
        let Some(peers) = self.project().0.as_pin_mut() else { return Poll::Ready(None) };
        let peers = peers.project();
        let mut body = peers.body;
        let frame = ready!(body.as_mut().poll_frame(cx)).map(|it| it.map_err(ClientError::inner));
        let Some(watch) = peers.watch else { return Poll::Ready(frame) };
        let at_end = match *peers.ends {
            Ends::Http(status) => Ending::Http(status),
            Ends::Grpc => Ending::Grpc(2),
        };
        match &frame {
            Some(Err(error)) => watch.ended(&Ending::Broken(error)),
            None => watch.ended(&at_end),
            Some(Ok(frame)) => {
                let trailers = frame.trailers_ref();
                match trailers.and_then(grpc_status) {
                    Some(code) if matches!(peers.ends, Ends::Grpc) => {
                        watch.ended(&Ending::Grpc(code));
                    }
                    _ if body.is_end_stream() => watch.ended(&at_end),
                    _ => *peers.so_far = Verdict::Succeeded,
                }
            }
        }
        if watch.is_over() {
            *peers.watch = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|peers| peers.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |peers| peers.body.size_hint())
    }
}

#[pinned_drop]
impl<B> PinnedDrop for BreakerBody<B> {
    fn drop(self: Pin<&mut Self>) {
        if let Some(peers) = self.project().0.as_pin_mut() {
            let peers = peers.project();
            if let Some(watch) = peers.watch {
                watch.tell(*peers.so_far);
            }
        }
    }
}

impl<B> fmt::Debug for BreakerBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerBody").finish_non_exhaustive()
    }
}
