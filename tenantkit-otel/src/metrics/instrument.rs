//! [`Counter`], [`UpDownCounter`], [`Gauge`], [`Histogram`]: an array of series, found by their number.

use std::{fmt, marker::PhantomData, sync::Arc};

use opentelemetry::{
    KeyValue,
    metrics::{BoundCounter, BoundHistogram, BoundUpDownCounter},
};

use super::ledger::Ledger;
use crate::label::Labels;

/// The series of an instrument, by number.
pub(super) struct Lines<A, T> {
    series: Box<[T]>,
    ledger: Arc<Ledger>,
    labels: PhantomData<fn(A)>,
}

impl<A: Labels, T> Lines<A, T> {
    pub(super) fn new(ledger: Arc<Ledger>, series: impl Iterator<Item = T>) -> Self {
        Self { series: series.collect(), ledger, labels: PhantomData }
    }

    #[inline]
    fn at(&self, labels: A) -> Option<&T> {
        let place = labels.place(self.ledger.tiers);
        if place.others > 0 {
            self.ledger.count_others(place.others);
        }
        self.series.get(place.series)
    }
}

macro_rules! instruments {
    ($($(#[$doc:meta])* $name:ident: $value:ty, $series:ty, $verb:ident, $says:literal;)+) => {$(
        $(#[$doc])*
        pub struct $name<A: Labels>(pub(super) Arc<Lines<A, $series>>);

        impl<A: Labels> $name<A> {
            #[doc = $says]
            #[inline]
            pub fn $verb(&self, value: $value, labels: A) {
                if let Some(series) = self.0.at(labels) {
                    series.$verb(value);
                }
            }
        }

        /// The same instrument.
        impl<A: Labels> Clone for $name<A> {
            fn clone(&self) -> Self {
                Self(Arc::clone(&self.0))
            }
        }

        impl<A: Labels> fmt::Debug for $name<A> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("combinations", &self.0.series.len())
                    .finish_non_exhaustive()
            }
        }
    )+};
}

instruments! {
    /// What only grows. All its series are there from the start, at 0.
    Counter: u64, BoundCounter<u64>, add, "Adds.";
    /// What grows and shrinks. All its series are there from the start, at 0.
    UpDownCounter: i64, BoundUpDownCounter<i64>, add, "Adds, or takes away.";
    /// How something stands. A series is there once it was told.
    Gauge: f64, Told, record, "Tells how it stands.";
    /// How something is spread. All its series are there from the start, empty.
    Histogram: f64, BoundHistogram<f64>, record, "Records one of it.";
}

/// A series of a gauge, which is not there before it was told: 0 would be a lie.
pub(super) struct Told {
    pub(super) gauge: opentelemetry::metrics::Gauge<f64>,
    pub(super) attributes: Box<[KeyValue]>,
}

impl Told {
    fn record(&self, value: f64) {
        self.gauge.record(value, &self.attributes);
    }
}
