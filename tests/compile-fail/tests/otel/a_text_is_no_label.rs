//! A text, which may be anything.

use tenantkit_otel::metrics::TenantMeter;

fn declare(meter: &TenantMeter) {
    meter.counter::<&'static str>("test.requests", "{request}", "").unwrap();
    meter.gauge::<(String,)>("test.level", "{thing}", "").unwrap();
}

fn main() {}
