//! acmedocs in a small world of its own: Postgres, keys, an identity provider, and strangers that call.
//! The story is told from here, and what crosses crates is tested from here.

mod edge;
pub mod issuer;
pub mod kafka;
pub mod rivals;
pub mod search;
mod setup;
pub mod show;
pub mod story;
pub mod telemetry;
mod tell;
mod world;

pub use edge::{Answer, Edge};
pub use issuer::Issuer;
pub use setup::Setup;
pub use tell::Teller;
pub use world::{Acmedocs, World};

/// Who issues the tokens of the outside world.
pub const ISSUER: &str = "https://id.example";
/// Whom they are for.
pub const AUDIENCE: &str = "acmedocs";
/// Whom the tokens between the services are for.
pub const TRUST_DOMAIN: &str = "acmedocs.example";
/// What the edge calls itself in them.
pub const EDGE_WORKLOAD: &str = "edge";

/// The world cannot go on.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;
