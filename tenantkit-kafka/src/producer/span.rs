//! [`Span`]: a record that is sent, by the messaging conventions of OpenTelemetry. Nothing without the
//! feature `tracing`.

use tenantkit_core::TenantContext;

use crate::{Error, Outgoing};

pub(super) struct Span(#[cfg(feature = "tracing")] tracing::Span);

impl Span {
    /// `operation` is the name that the application calls it by.
    #[cfg(feature = "tracing")]
    pub(super) fn new(
        operation: &'static str,
        context: &TenantContext,
        record: &Outgoing<'_>,
    ) -> Self {
        let make = || {
            tracing::info_span!(
                "send",
                otel.name = format_args!("send {}", record.topic),
                otel.kind = "producer",
                messaging.system = "kafka",
                messaging.operation.name = operation,
                messaging.operation.type = "send",
                messaging.destination.name = record.topic,
                messaging.kafka.message.tombstone = record.payload.is_none(),
                messaging.message.body.size = record.payload.map_or(0, <[u8]>::len),
                tenant.id = %context.tenant(),
                tenant.tier = context.tier().as_str(),
                error.type = tracing::field::Empty,
            )
        };
        Self(context.make_span(make))
    }

    #[cfg(not(feature = "tracing"))]
    pub(super) const fn new(_: &'static str, _: &TenantContext, _: &Outgoing<'_>) -> Self {
        Self()
    }

    /// Runs in the span, and tells in it how it failed.
    #[cfg(feature = "tracing")]
    pub(super) async fn around<T>(
        self,
        sending: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        use tracing::Instrument;

        let sent = sending.instrument(self.0.clone()).await;
        if let Err(error) = &sent {
            self.0.record("error.type", error.kind());
        }
        sent
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "tells only with the feature `tracing`")]
    pub(super) fn around<T>(
        self,
        sending: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        sending
    }
}
