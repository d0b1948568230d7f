//! [`Observed`]: what is asked for when the metrics are collected, of something that counts by itself.

use std::{marker::PhantomData, sync::Arc};

use opentelemetry::{KeyValue, metrics::AsyncInstrument};

use super::ledger::Ledger;
use crate::label::Labels;

/// Takes what is observed.
#[expect(
    missing_debug_implementations,
    reason = "it lives for one call, and has no state of its own"
)]
pub struct Observed<'a, T, A> {
    to: &'a dyn AsyncInstrument<T>,
    series: &'a [Box<[KeyValue]>],
    ledger: &'a Arc<Ledger>,
    labels: PhantomData<fn(A)>,
}

impl<'a, T, A: Labels> Observed<'a, T, A> {
    pub(super) fn new(
        to: &'a dyn AsyncInstrument<T>,
        series: &'a [Box<[KeyValue]>],
        ledger: &'a Arc<Ledger>,
    ) -> Self {
        Self { to, series, ledger, labels: PhantomData }
    }

    /// Tells of each series that there is nothing yet. What is told of it after this counts.
    pub(super) fn begin_with(&mut self, nothing: T)
    where
        T: Copy,
    {
        self.series.iter().for_each(|attributes| self.to.observe(nothing, attributes));
    }

    /// Tells how it stands. Of two with the same labels, the last counts.
    pub fn tell(&mut self, value: T, labels: A) {
        let place = labels.place(self.ledger.tiers);
        if place.others > 0 {
            self.ledger.count_others(place.others);
        }
        if let Some(attributes) = self.series.get(place.series) {
            self.to.observe(value, attributes);
        }
    }
}
