//! Clients that share no code with us, and read no documentation but that of the protocols.

mod curl;
mod grpcurl;
mod health;
mod psql;
mod pyjwt;
mod python;

/// Where the contract of the documents service is.
pub(crate) const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/acmedocs/proto");
