//! [`Span`]: a record that is handled, by the messaging conventions of OpenTelemetry. Nothing without the
//! feature `tracing`.

use tenantkit_core::TenantContext;

use super::{
    super::{Incoming, trace::Adopt},
    Ended,
};

pub(super) struct Span(#[cfg(feature = "tracing")] tracing::Span);

impl Span {
    #[cfg(feature = "tracing")]
    pub(super) fn new(context: &TenantContext, records: &[Incoming], trace: &Adopt) -> Self {
        let Some(first) = records.first() else { return Self(tracing::Span::none()) };
        let make = || {
            let span = tracing::info_span!(
                "process",
                otel.name = format_args!("process {}", first.topic()),
                otel.kind = "consumer",
                messaging.system = "kafka",
                messaging.operation.name = "process",
                messaging.operation.type = "process",
                messaging.destination.name = first.topic(),
                messaging.destination.partition.id = first.partition(),
                messaging.kafka.offset = first.offset(),
                messaging.kafka.message.tombstone = first.payload().is_none(),
                messaging.message.body.size = first.payload().map_or(0, <[u8]>::len),
                messaging.batch.message_count = records.len(),
                tenant.id = %context.tenant(),
                tenant.tier = context.tier().as_str(),
                error.type = tracing::field::Empty,
            );
            trace.adopt(first.headers(), &span);
            span
        };
        Self(context.make_span(make))
    }

    #[cfg(not(feature = "tracing"))]
    pub(super) const fn new(_: &TenantContext, _: &[Incoming], _: &Adopt) -> Self {
        Self()
    }

    /// Runs in the span, and tells in it how it failed.
    #[cfg(feature = "tracing")]
    pub(super) async fn around(self, attempt: impl Future<Output = Ended>) -> Ended {
        use tracing::Instrument;

        use super::super::failure::Kind;

        let ended = attempt.instrument(self.0.clone()).await;
        let error = match &ended {
            Ended::Handled => return ended,
            Ended::Cancelled => "cancelled",
            Ended::Failed(Kind::Again { code, .. } | Kind::Permanent { code }) => code,
            Ended::Failed(Kind::Later { refusal } | Kind::Refused { refusal }) => {
                refusal.reason().as_str()
            }
        };
        self.0.record("error.type", error);
        ended
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "tells only with the feature `tracing`")]
    pub(super) fn around(
        self,
        attempt: impl Future<Output = Ended>,
    ) -> impl Future<Output = Ended> {
        attempt
    }
}
