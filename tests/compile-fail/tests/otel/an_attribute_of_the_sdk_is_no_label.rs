//! What the SDK takes.

use opentelemetry::KeyValue;
use tenantkit_core::Tier;
use tenantkit_otel::metrics::Counter;

fn count(requests: &Counter<Tier>) {
    requests.add(1, &[KeyValue::new("tenant.id", "acme")]);
}

fn main() {}
