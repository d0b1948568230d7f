//! A tenant's id among the labels of a metric.

use tenantkit_core::{TenantId, Tier};
use tenantkit_otel::metrics::{Histogram, TenantMeter};

fn declare(meter: &TenantMeter) -> Histogram<(Tier, TenantId)> {
    meter.histogram("test.duration", "s", &[1.0], "").unwrap()
}

fn main() {}
