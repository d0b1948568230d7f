//! What a real OpenTelemetry Collector receives.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod down;
mod received;
mod rules;
mod tenants;
mod world;
