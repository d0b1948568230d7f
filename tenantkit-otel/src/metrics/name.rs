//! What an instrument, a unit and a label may be called.

use super::MetricsError;
use crate::{label::Dimension, names};

/// Attributes that the semantic conventions have and that nothing bounds, or that say who it is.
const UNBOUNDED: [&str; 19] = [
    names::TRANSACTION_ID,
    names::SYSTEM_REASON,
    "client.address",
    "client.port",
    "db.query.text",
    "enduser.id",
    "exception.message",
    "exception.stacktrace",
    "http.target",
    "http.url",
    "messaging.kafka.message.key",
    "messaging.message.id",
    "network.peer.address",
    "network.peer.port",
    "session.id",
    "url.full",
    "url.path",
    "url.query",
    "user.id",
];

/// What exporters put at the end of a name by themselves.
const SUFFIXES: [&str; 7] = ["total", "seconds", "milliseconds", "ms", "bytes", "ratio", "count"];

pub(super) fn check_name(name: &'static str) -> Result<(), MetricsError> {
    let good = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let last = name.rsplit(['.', '_']).next().unwrap_or(name);
    let good = name.len() <= 63
        && name.contains('.')
        && name.split('.').all(good)
        && !SUFFIXES.contains(&last);
    if good { Ok(()) } else { Err(MetricsError::Name(name)) }
}

pub(super) fn check_unit(unit: &'static str) -> Result<(), MetricsError> {
    let thing = unit.strip_prefix('{').and_then(|unit| unit.strip_suffix('}'));
    let counts = thing.is_some_and(|thing| {
        !thing.is_empty() && thing.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    });
    if counts || ["s", "By", "1"].contains(&unit) { Ok(()) } else { Err(MetricsError::Unit(unit)) }
}

pub(super) fn check_labels(dimensions: &[Dimension]) -> Result<(), MetricsError> {
    for (at, dimension) in dimensions.iter().enumerate() {
        check_key(dimension.key)?;
        if dimensions[..at].iter().any(|it| it.key == dimension.key) {
            return Err(MetricsError::LabelTwice(dimension.key));
        }
        for (at, value) in dimension.values.iter().enumerate() {
            if dimension.values[..at].contains(value) {
                return Err(MetricsError::ValueTwice(dimension.key, value));
            }
        }
    }
    Ok(())
}

/// What names a tenant is refused by whatever name: only what it bought may be a label.
pub(super) fn check_key(key: &'static str) -> Result<(), MetricsError> {
    let own = key.strip_prefix("tenantkit.").unwrap_or(key);
    let names_a_tenant = own.contains("tenant") && key != names::TENANT_TIER;
    if names_a_tenant || UNBOUNDED.contains(&key) {
        Err(MetricsError::Unbounded(key))
    } else {
        Ok(())
    }
}

pub(super) fn check_boundaries(name: &'static str, boundaries: &[f64]) -> Result<(), MetricsError> {
    let rise = boundaries.windows(2).all(|pair| pair[0] < pair[1]);
    if rise && !boundaries.is_empty() && boundaries.iter().all(|it| it.is_finite()) {
        Ok(())
    } else {
        Err(MetricsError::Boundaries(name))
    }
}
