//! What is put right when a span has ended: one word on whose work it is, and the same on its events.

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanData;

use crate::names::{SYSTEM_CAPABILITY, SYSTEM_REASON, TENANT_ID, TENANT_TIER, TRANSACTION_ID};

const TENANT: [&str; 3] = [TENANT_ID, TENANT_TIER, TRANSACTION_ID];
const SYSTEM: [&str; 2] = [SYSTEM_CAPABILITY, SYSTEM_REASON];

/// Answers whether the span says whose work it is.
pub(super) fn tidy(span: &mut SpanData) -> bool {
    if let Some(at) = first(&span.attributes, &TENANT) {
        let at = at - remove_others(&mut span.attributes, at);
        on_events(span, at..at + TENANT.len());
        true
    } else if let Some(at) = first(&span.attributes, &SYSTEM) {
        on_events(span, at..at + SYSTEM.len());
        true
    } else {
        span.attributes.iter().any(|it| it.key.as_str() == TENANT_ID)
    }
}

/// What this crate sets, it sets in one go: the names follow each other. A lone one is the application's.
fn first<const N: usize>(attributes: &[KeyValue], names: &[&str; N]) -> Option<usize> {
    attributes.windows(N).position(|window| are(window, names))
}

fn last<const N: usize>(attributes: &[KeyValue], names: &[&str; N]) -> Option<usize> {
    attributes.windows(N).rposition(|window| are(window, names))
}

fn are(attributes: &[KeyValue], names: &[&str]) -> bool {
    attributes.iter().map(|it| it.key.as_str()).eq(names.iter().copied())
}

/// Removes what the application said of the tenant, beside what stands at `at`. Answers how much stood before it.
fn remove_others(attributes: &mut Vec<KeyValue>, at: usize) -> usize {
    let is_other = |index: usize, it: &KeyValue| {
        !(at..at + TENANT.len()).contains(&index) && TENANT.contains(&it.key.as_str())
    };
    let others = |(index, it): &(usize, &KeyValue)| is_other(*index, it);
    let mut found = attributes.iter().enumerate().filter(others).map(|(index, _)| index).peekable();
    if found.peek().is_none() {
        return 0;
    }
    let before = found.filter(|index| *index < at).count();
    let mut index = 0;
    attributes.retain(|it| {
        index += 1;
        !is_other(index - 1, it)
    });
    before
}

fn on_events(span: &mut SpanData, told: std::ops::Range<usize>) {
    let Some(told) = span.attributes.get(told) else { return };
    for event in &mut span.events.events {
        // Behind whatever the application said of it.
        if let Some(at) = last(&event.attributes, &TENANT) {
            remove_others(&mut event.attributes, at);
        } else if first(&event.attributes, &SYSTEM).is_none() {
            event.attributes.retain(|it| !TENANT.contains(&it.key.as_str()));
            event.attributes.extend_from_slice(told);
        }
    }
}
