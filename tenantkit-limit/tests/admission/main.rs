//! What [`tenantkit_limit::admission`] promises.

mod deciding;
mod overload;
mod server;
