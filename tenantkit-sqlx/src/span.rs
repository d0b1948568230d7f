//! [`Span`]: a round trip to Postgres, by the database conventions of OpenTelemetry. Nothing without the feature
//! `tracing`.
//!
//! It has the kind of the statement and never its text, in which somebody may have put what is secret.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use pin_project::pin_project;
use tenantkit_core::TenantContext;

pub(crate) struct Span(#[cfg(feature = "tracing")] tracing::Span);

impl Span {
    /// Of work of no single tenant, `tenant` is `None`.
    #[cfg(feature = "tracing")]
    pub(crate) fn new(operation: &'static str, tenant: Option<&TenantContext>) -> Self {
        let make = || {
            tracing::info_span!(
                "statement",
                otel.name = operation,
                otel.kind = "client",
                otel.status_code = tracing::field::Empty,
                db.system.name = "postgresql",
                db.operation.name = operation,
                tenant.id = tenant.map(|it| tracing::field::display(it.tenant())),
                tenant.tier = tenant.map(|it| it.tier().as_str()),
                error.type = tracing::field::Empty,
            )
        };
        Self(match tenant {
            Some(tenant) => tenant.make_span(make),
            None => make(),
        })
    }

    #[cfg(not(feature = "tracing"))]
    pub(crate) const fn new(_: &'static str, _: Option<&TenantContext>) -> Self {
        Self()
    }

    /// Of a statement.
    pub(crate) fn of(sql: &str, tenant: Option<&TenantContext>) -> Self {
        Self::new(operation(sql), tenant)
    }

    fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = self.0.enter();
        work()
    }

    #[cfg(feature = "tracing")]
    fn failed(&self, error: &sqlx::Error) {
        let class = crate::error::sqlstate(error).unwrap_or("link");
        self.0.record("error.type", class);
        self.0.record("otel.status_code", "ERROR");
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "tells only with the feature `tracing`")]
    fn failed(&self, _: &sqlx::Error) {}

    /// Runs in the span.
    pub(crate) async fn around<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| self.within(|| work.as_mut().poll(cx))).await
    }
}

/// A stream of rows that is polled in the span, which tells how it failed.
#[pin_project]
pub(crate) struct InSpan<S> {
    #[pin]
    rows: S,
    span: Span,
}

impl<S> InSpan<S> {
    pub(crate) const fn new(rows: S, span: Span) -> Self {
        Self { rows, span }
    }
}

impl<T, S: Stream<Item = Result<T, sqlx::Error>>> Stream for InSpan<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let polled = this.span.within(|| this.rows.poll_next(cx));
        if let Poll::Ready(Some(Err(error))) = &polled {
            this.span.failed(error);
        }
        polled
    }
}

/// The kinds of statements that are told by name. A closed set: the name of a span is not a text of the
/// application's.
const OPERATIONS: [&str; 7] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES"];

fn operation(sql: &str) -> &'static str {
    let word = sql.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty());
    let known = |it: &&str| word.is_some_and(|word| word.eq_ignore_ascii_case(it));
    OPERATIONS.into_iter().find(known).unwrap_or("STATEMENT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_told_by_its_kind_alone() {
        assert_eq!(operation("SELECT 1"), "SELECT");
        assert_eq!(operation("\n  insert INTO documents VALUES ('secret')"), "INSERT");
        assert_eq!(operation("(select 1)"), "SELECT");
        for other in ["", "secret", "-- select\nCREATE TABLE t ()", "LOCK TABLE t"] {
            assert!(matches!(operation(other), "STATEMENT" | "SELECT"), "{other}");
        }
    }
}
