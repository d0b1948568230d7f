//! The name of a tier, where a tier is asked for.

use tenantkit_core::Tier;
use tenantkit_otel::metrics::Counter;

fn count(requests: &Counter<Tier>) {
    requests.add(1, "gold");
}

fn main() {}
