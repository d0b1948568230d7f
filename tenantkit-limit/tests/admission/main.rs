//! What [`tenantkit_limit::admission`] promises.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod deciding;
mod overload;
mod server;
