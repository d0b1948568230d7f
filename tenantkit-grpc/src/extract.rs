//! How a handler gets at the context.

#[cfg(feature = "tonic")]
mod tonic;

#[cfg(feature = "tonic")]
pub use self::tonic::{IntoStatus, TenantRequestExt};
