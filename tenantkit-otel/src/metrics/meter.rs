//! [`TenantMeter`]: makes instruments, and refuses those that the budget does not have.

use std::sync::Arc;

use opentelemetry::{KeyValue, metrics::Meter};

use super::{
    Counter, Gauge, Histogram, MetricsError, Observed, UpDownCounter,
    instrument::{Lines, Told},
    ledger::{Entry, Ledger},
    name,
    view::{Making, making},
};
use crate::label::{Dimension, Labels};

/// Makes instruments whose labels are closed sets; from [`TenantMetrics::meter`](super::TenantMetrics::meter).
///
/// Names and units are those of the semantic conventions: `acmedocs.requests` in `{request}`, a time in `s`, a
/// size in `By`, a share in `1`; without the unit or `total` in the name, which exporters add.
///
/// # Errors
///
/// Each method refuses a name or unit that is not so, labels that name a tenant, two of a name, and what is
/// past the budget.
#[derive(Debug, Clone)]
pub struct TenantMeter {
    meter: Meter,
    ledger: Arc<Ledger>,
    scope: &'static str,
}

impl TenantMeter {
    pub(super) const fn new(meter: Meter, ledger: Arc<Ledger>, scope: &'static str) -> Self {
        Self { meter, ledger, scope }
    }

    /// Makes a counter.
    ///
    /// # Errors
    ///
    /// See [`TenantMeter`].
    pub fn counter<A: Labels>(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> Result<Counter<A>, MetricsError> {
        let series = self.enter::<A>("counter", name, unit, description, None)?;
        let builder = self.meter.u64_counter(name).with_unit(unit).with_description(description);
        let counter = making(Making::of(&series, None), || builder.build());
        Ok(Counter(self.lines(series.iter().map(|it| counter.bind(it)))))
    }

    /// Makes a counter that goes up and down.
    ///
    /// # Errors
    ///
    /// See [`TenantMeter`].
    pub fn up_down_counter<A: Labels>(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> Result<UpDownCounter<A>, MetricsError> {
        let series = self.enter::<A>("up-down counter", name, unit, description, None)?;
        let builder =
            self.meter.i64_up_down_counter(name).with_unit(unit).with_description(description);
        let counter = making(Making::of(&series, None), || builder.build());
        Ok(UpDownCounter(self.lines(series.iter().map(|it| counter.bind(it)))))
    }

    /// Makes a gauge.
    ///
    /// # Errors
    ///
    /// See [`TenantMeter`].
    pub fn gauge<A: Labels>(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> Result<Gauge<A>, MetricsError> {
        let series = self.enter::<A>("gauge", name, unit, description, None)?;
        let builder = self.meter.f64_gauge(name).with_unit(unit).with_description(description);
        let gauge = making(Making::of(&series, None), || builder.build());
        let told = |attributes| Told { gauge: gauge.clone(), attributes };
        Ok(Gauge(self.lines(series.into_iter().map(told))))
    }

    /// Makes a histogram with the upper bounds of its buckets, which rise. One more bucket is above them.
    ///
    /// # Errors
    ///
    /// See [`TenantMeter`]; and when the bounds do not rise.
    pub fn histogram<A: Labels>(
        &self,
        name: &'static str,
        unit: &'static str,
        boundaries: &[f64],
        description: &'static str,
    ) -> Result<Histogram<A>, MetricsError> {
        name::check_boundaries(name, boundaries)?;
        let series = self.enter::<A>("histogram", name, unit, description, Some(boundaries))?;
        let builder = self.meter.f64_histogram(name).with_unit(unit).with_description(description);
        let histogram = making(Making::of(&series, Some(boundaries)), || builder.build());
        Ok(Histogram(self.lines(series.iter().map(|it| histogram.bind(it)))))
    }

    /// Makes a counter of what something counts by itself: `tell` is called when the metrics are collected. All its
    /// series are there from the start, at 0.
    ///
    /// # Errors
    ///
    /// See [`TenantMeter`].
    pub fn observe_counter<A: Labels>(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        tell: impl Fn(&mut Observed<'_, u64, A>) + Send + Sync + 'static,
    ) -> Result<(), MetricsError> {
        let series = self.enter::<A>("counter", name, unit, description, None)?;
        let (making_of, ledger) = (Making::of(&series, None), Arc::clone(&self.ledger));
        let builder = self.meter.u64_observable_counter(name).with_unit(unit);
        let builder = builder.with_description(description).with_callback(move |to| {
            let mut observed = Observed::new(to, &series, &ledger);
            observed.begin_with(0);
            tell(&mut observed);
        });
        making(making_of, || builder.build());
        Ok(())
    }

    /// Makes a counter of the time that something takes, in seconds, which it adds up by itself; otherwise as
    /// [`observe_counter`](Self::observe_counter).
    ///
    /// # Errors
    ///
    /// See [`TenantMeter`].
    pub fn observe_time<A: Labels>(
        &self,
        name: &'static str,
        description: &'static str,
        tell: impl Fn(&mut Observed<'_, f64, A>) + Send + Sync + 'static,
    ) -> Result<(), MetricsError> {
        let series = self.enter::<A>("counter", name, "s", description, None)?;
        let (making_of, ledger) = (Making::of(&series, None), Arc::clone(&self.ledger));
        let builder = self.meter.f64_observable_counter(name).with_unit("s");
        let builder = builder.with_description(description).with_callback(move |to| {
            let mut observed = Observed::new(to, &series, &ledger);
            observed.begin_with(0.0);
            tell(&mut observed);
        });
        making(making_of, || builder.build());
        Ok(())
    }

    /// Makes a gauge of what something knows by itself: `tell` is called when the metrics are collected.
    ///
    /// # Errors
    ///
    /// See [`TenantMeter`].
    pub fn observe_gauge<A: Labels>(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        tell: impl Fn(&mut Observed<'_, f64, A>) + Send + Sync + 'static,
    ) -> Result<(), MetricsError> {
        let series = self.enter::<A>("gauge", name, unit, description, None)?;
        let (making_of, ledger) = (Making::of(&series, None), Arc::clone(&self.ledger));
        let builder = self.meter.f64_observable_gauge(name).with_unit(unit);
        let builder = builder.with_description(description).with_callback(move |to| {
            tell(&mut Observed::new(to, &series, &ledger));
        });
        making(making_of, || builder.build());
        Ok(())
    }

    /// Writes it down, and tells the attributes of all its series.
    fn enter<A: Labels>(
        &self,
        kind: &'static str,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        boundaries: Option<&[f64]>,
    ) -> Result<Vec<Box<[KeyValue]>>, MetricsError> {
        let dimensions = A::dimensions(self.ledger.tiers);
        // The bucket above the last bound, the sum and the count.
        let each = boundaries.map_or(1, |bounds| bounds.len() + 3);
        let scope = self.scope;
        self.ledger.enter(Entry {
            scope,
            name,
            kind,
            unit,
            description,
            dimensions: dimensions.clone(),
            each,
        })?;
        Ok(combinations(&dimensions))
    }

    fn lines<A: Labels, T>(&self, series: impl Iterator<Item = T>) -> Arc<Lines<A, T>> {
        Arc::new(Lines::new(Arc::clone(&self.ledger), series))
    }
}

impl Making {
    fn of(series: &[Box<[KeyValue]>], boundaries: Option<&[f64]>) -> Self {
        Self { combinations: series.len(), boundaries: boundaries.map(<[f64]>::to_vec) }
    }
}

/// The attributes of each combination, the last label fastest, as [`Labels`] numbers them.
fn combinations(dimensions: &[Dimension]) -> Vec<Box<[KeyValue]>> {
    let count = dimensions.iter().map(|it| it.values.len()).product();
    let of = |mut number: usize| {
        let mut attributes: Vec<KeyValue> = Vec::with_capacity(dimensions.len());
        for dimension in dimensions.iter().rev() {
            let values = dimension.values.len();
            let value = dimension.value(number % values);
            attributes.push(KeyValue::new(dimension.key, opentelemetry::Value::String(value)));
            number /= values;
        }
        // As the SDK sorts them, so that it finds them at the first look.
        attributes.sort_by(|one, other| one.key.cmp(&other.key));
        attributes.into_boxed_slice()
    };
    (0..count).map(of).collect()
}
