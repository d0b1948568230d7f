//! Ports that nothing listens on.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
};

/// A port of the loopback interface that was free a moment ago.
///
/// It lies below the range from which Linux takes the ports of outgoing connections, so that a
/// server that is stopped and started again finds its port still free.
#[must_use]
pub fn free_port() -> u16 {
    loop {
        let port = 10_000 + (random() % 20_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A random number: the standard library seeds each hasher anew.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
