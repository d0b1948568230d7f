//! One verified tenant from the request to the row.

pub use tenantkit_core::*;
