//! The one view of the provider: what an instrument's stream looks like, whoever makes it.

mod claims;

use std::{cell::RefCell, sync::Arc};

use opentelemetry::Key;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, MeterProviderBuilder, Stream, StreamBuilder,
};

use super::{Foreign, ledger::Ledger};
use claims::{Claim, Claims};

thread_local! {
    /// What is made just now by a [`TenantMeter`](super::TenantMeter). The SDK asks its views on the thread that
    /// makes the instrument, and a name alone anybody could use.
    static MAKING: RefCell<Option<Making>> = const { RefCell::new(None) };
}

/// An instrument of the application's own.
pub(super) struct Making {
    pub(super) combinations: usize,
    pub(super) boundaries: Option<Vec<f64>>,
}

/// Runs `make`, which makes an instrument of the application's own.
pub(super) fn making<R>(what: Making, make: impl FnOnce() -> R) -> R {
    MAKING.with(|it| it.replace(Some(what)));
    let _over = Over;
    make()
}

struct Over;

impl Drop for Over {
    fn drop(&mut self) {
        let _ = MAKING.try_with(|it| it.replace(None));
    }
}

pub(super) fn install(
    provider: MeterProviderBuilder,
    ledger: Arc<Ledger>,
    foreign: Vec<Foreign>,
    undeclared: usize,
) -> MeterProviderBuilder {
    let claims = Claims::new(foreign, undeclared);
    provider.with_view(move |instrument: &Instrument| {
        // Asked once for each reader.
        if let Some(stream) = MAKING.with(|it| it.borrow().as_ref().map(own)) {
            return stream.build().ok();
        }
        let stream = match claims.of(instrument) {
            Claim::Declared(declared) => known(instrument, declared),
            Claim::Undeclared => unknown(instrument),
            Claim::TooMany => {
                ledger.count_dropped();
                Stream::builder().with_aggregation(Aggregation::Drop)
            }
        };
        // The SDK would give it the application's own stream, attributes and all.
        let taken = ledger.has(instrument.scope().name(), instrument.name());
        let stream = if taken {
            stream.with_name(format!("{}.of_another_library", instrument.name()))
        } else {
            stream
        };
        // A stream that cannot be built would be one without a view: rather none.
        stream
            .build()
            .or_else(|_| Stream::builder().with_aggregation(Aggregation::Drop).build())
            .ok()
    })
}

fn own(making: &Making) -> StreamBuilder {
    let stream = Stream::builder().with_cardinality_limit(making.combinations.max(1));
    match &making.boundaries {
        Some(boundaries) => stream.with_aggregation(buckets(boundaries.clone())),
        None => stream,
    }
}

fn known(instrument: &Instrument, declared: &Foreign) -> StreamBuilder {
    let keys = declared.keys.iter().copied().map(Key::from_static_str);
    let stream = Stream::builder()
        .with_allowed_attribute_keys(keys)
        .with_cardinality_limit(declared.at_most);
    match instrument.kind() {
        InstrumentKind::Histogram => stream.with_aggregation(buckets(Foreign::BOUNDARIES.to_vec())),
        _ => stream,
    }
}

fn unknown(instrument: &Instrument) -> StreamBuilder {
    let stream = Stream::builder().with_allowed_attribute_keys([]).with_cardinality_limit(1);
    match instrument.kind() {
        InstrumentKind::Histogram => stream.with_aggregation(buckets(Vec::new())),
        _ => stream,
    }
}

fn buckets(boundaries: Vec<f64>) -> Aggregation {
    Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: false }
}
