//! [`PeerInfo`]: the far end of a connection, as the server put it into the request's extensions.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Extensions;
use tenantkit_core::Peer;

/// The far end of a connection. A server that is neither axum's nor tonic's puts it into the
/// extensions of each request; where it stands it is believed, before what axum and tonic put there.
///
/// ```
/// use tenantkit_grpc::PeerInfo;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(PeerInfo::new().addr(([192, 0, 2, 1], 443).into()));
/// ```
#[derive(Debug, Clone, Default)]
pub struct PeerInfo {
    addr: Option<SocketAddr>,
    certificate: Option<Bytes>,
}

impl PeerInfo {
    /// A peer of which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self { addr: None, certificate: None }
    }

    /// The same, with its address.
    #[must_use]
    pub fn addr(self, addr: SocketAddr) -> Self {
        Self { addr: Some(addr), ..self }
    }

    /// The same, with its certificate, DER, which the TLS layer has verified.
    #[must_use]
    pub fn certificate(self, der: impl Into<Bytes>) -> Self {
        Self { certificate: Some(der.into()), ..self }
    }
}

pub(super) fn of(extensions: &Extensions) -> Peer<'_> {
    if let Some(known) = extensions.get::<PeerInfo>() {
        let mut peer = Peer::UNKNOWN;
        peer.addr = known.addr;
        peer.certificate = known.certificate.as_deref();
        return peer;
    }
    addr_of(extensions).map_or(Peer::UNKNOWN, |addr| Peer::UNKNOWN.addr(addr))
}

fn addr_of(extensions: &Extensions) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(addr)) = extensions.get() {
        return Some(*addr);
    }
    #[cfg(feature = "tonic")]
    if let Some(connection) = extensions.get::<tonic::transport::server::TcpConnectInfo>() {
        return connection.remote_addr();
    }
    let _ = extensions;
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_sees_the_peer_as_the_server_told_it() {
        let addr = SocketAddr::from(([192, 0, 2, 1], 443));
        let mut extensions = Extensions::new();
        assert_eq!(of(&extensions).addr, None);
        extensions.insert(PeerInfo::new().addr(addr).certificate(&b"der"[..]));
        let peer = of(&extensions);
        assert_eq!((peer.addr, peer.certificate), (Some(addr), Some(&b"der"[..])));
        // In the other order, and one of the two alone.
        extensions.insert(PeerInfo::new().certificate(&b"der"[..]).addr(addr));
        assert_eq!(of(&extensions).certificate, Some(&b"der"[..]));
        extensions.insert(PeerInfo::new().certificate(&b"der"[..]));
        assert_eq!(of(&extensions).addr, None);
    }
}
