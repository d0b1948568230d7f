//! A request's body is cut at the same deadline as its answer's, when it is read: what is held while it
//! is not read is held by the handler, which may finish.
//!
//! Wrapping it changes its type, and with that what may stand inside the layer. axum's and tonic's
//! bodies can hold any other, so those are wrapped and keep their type; bodies of another type are
//! left alone.

#[cfg(any(feature = "axum", feature = "tonic"))]
pub(super) use bound::bound;

#[cfg(not(any(feature = "axum", feature = "tonic")))]
pub(super) fn bound<B>(body: B, _: &tenantkit_core::TenantContext) -> B {
    body
}

#[cfg(any(feature = "axum", feature = "tonic"))]
mod bound {
    use std::{
        any::Any,
        pin::Pin,
        task::{Context, Poll},
    };

    use bytes::Bytes;
    use http_body::{Body, Frame, SizeHint};
    use pin_project::pin_project;
    use tenantkit_core::{Refusal, TenantContext};

    #[cfg(feature = "axum")]
    use crate::Cut;
    use crate::{
        BoxError,
        server::{alarm::Alarm, deadline::Deadline},
    };

    pub(in crate::server) fn bound<B: Body + 'static>(body: B, context: &TenantContext) -> B {
        // Most requests have none, and pay nothing.
        if body.is_end_stream() {
            return body;
        }
        let mut body = Some(body);
        #[cfg(feature = "axum")]
        replace(&mut body, |body| {
            axum::body::Body::new(Upload::new(body, context, |refusal| Box::new(Cut(refusal))))
        });
        #[cfg(feature = "tonic")]
        replace(&mut body, |body| {
            let status = |refusal| crate::IntoStatus::into_status(refusal).into();
            tonic::body::Body::new(Upload::new(body, context, status))
        });
        match body {
            Some(body) => body,
            None => unreachable!("`replace` puts back what it takes"),
        }
    }

    /// Replaces a body, if it is of that type.
    fn replace<B: 'static, T: 'static>(body: &mut Option<B>, wrap: impl FnOnce(T) -> T) {
        if let Some(body) = (body as &mut dyn Any).downcast_mut::<Option<T>>() {
            *body = body.take().map(wrap);
        }
    }

    #[pin_project]
    struct Upload<B> {
        #[pin]
        body: B,
        deadline: Deadline,
        alarm: Alarm,
        /// How the error looks that its reader gets.
        error: fn(Refusal) -> BoxError,
        cut: bool,
    }

    impl<B> Upload<B> {
        fn new(body: B, context: &TenantContext, error: fn(Refusal) -> BoxError) -> Self {
            let deadline = Deadline::of(context);
            Self { body, deadline, alarm: Alarm::default(), error, cut: false }
        }
    }

    impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for Upload<B> {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            let this = self.project();
            if *this.cut {
                return Poll::Ready(None);
            }
            if let Poll::Ready(refusal) = this.deadline.poll() {
                *this.cut = true;
                return Poll::Ready(Some(Err((this.error)(refusal))));
            }
            let polled = this.body.poll_frame(cx);
            if polled.is_pending() {
                this.alarm.set(this.deadline, cx);
            }
            polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
        }

        fn is_end_stream(&self) -> bool {
            self.cut || self.body.is_end_stream()
        }

        fn size_hint(&self) -> SizeHint {
            self.body.size_hint()
        }
    }
}
