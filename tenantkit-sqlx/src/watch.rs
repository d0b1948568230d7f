//! Keeps the [`Health`] of a connection while something polls it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::{Stream, stream::BoxStream};

use crate::{
    lease::{Health, State},
    trail::Trail,
};

/// An answer as it arrives. What is dropped before its end is known as such by what is left in the
/// state.
pub(crate) struct Watched<'e, T> {
    answer: BoxStream<'e, Result<T, sqlx::Error>>,
    health: &'e mut Health,
    trail: &'e Trail,
    /// The end, or an error, was seen: what is polled after that changes nothing any more.
    over: bool,
}

impl<'e, T> Watched<'e, T> {
    pub(crate) const fn new(
        answer: BoxStream<'e, Result<T, sqlx::Error>>,
        health: &'e mut Health,
        trail: &'e Trail,
    ) -> Self {
        Self { answer, health, trail, over: false }
    }
}

impl<T> Stream for Watched<'_, T> {
    type Item = Result<T, sqlx::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        // Before the poll, so that a panic inside it is known as well.
        if this.health.state != State::Answering {
            this.health.state = State::Sent;
        }
        let polled = this.answer.as_mut().poll_next(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => this.health.state = State::Answering,
            Poll::Ready(Some(failed @ Err(error))) => {
                this.health.settle(failed);
                this.trail.failed(error);
            }
            Poll::Ready(None) => this.health.state = State::Idle,
        }
        this.over = matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }
}

/// The same for an answer that comes at once.
pub(crate) async fn watch<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
    health: &mut Health,
) -> Result<T, sqlx::Error> {
    health.state = State::Sent;
    let answer = answer.await;
    health.settle(&answer);
    answer
}
