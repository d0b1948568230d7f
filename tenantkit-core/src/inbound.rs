//! [`Inbound`]: what arrives at a listener, as identity sources see it.

use std::{cell::Cell, net::SocketAddr};

use crate::{Carrier, Reason, jws::Fault};

/// The far end of a connection, as the server knows it.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Peer<'a> {
    /// Its address.
    pub addr: Option<SocketAddr>,
    /// Its certificate, DER, when the TLS layer has verified it.
    pub certificate: Option<&'a [u8]>,
}

impl<'a> Peer<'a> {
    /// A peer of which nothing is known.
    pub const UNKNOWN: Self = Self { addr: None, certificate: None };

    /// The same, with an address.
    #[must_use]
    pub const fn addr(self, addr: SocketAddr) -> Self {
        Self { addr: Some(addr), ..self }
    }

    /// The same, with a certificate that the TLS layer has verified.
    #[must_use]
    pub const fn certificate(self, der: &'a [u8]) -> Self {
        Self { certificate: Some(der), ..self }
    }
}

/// What arrives at a listener.
#[derive(Clone, Copy)]
pub struct Inbound<'a> {
    pub(crate) carrier: &'a dyn Carrier,
    peer: Peer<'a>,
    host: Option<&'a str>,
    path: &'a str,
}

impl<'a> Inbound<'a> {
    /// Arrived in `carrier`.
    #[must_use]
    pub fn new(carrier: &'a dyn Carrier) -> Self {
        Self { carrier, peer: Peer::UNKNOWN, host: None, path: "" }
    }

    /// From `peer`.
    #[must_use]
    pub fn from(self, peer: Peer<'a>) -> Self {
        Self { peer, ..self }
    }

    /// For `host`: the authority of the URI, or the `host` header.
    #[must_use]
    pub fn host(self, host: Option<&'a str>) -> Self {
        Self { host, ..self }
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer.addr
    }

    /// At `path`.
    #[must_use]
    pub fn path(self, path: &'a str) -> Self {
        Self { path, ..self }
    }
}

impl std::fmt::Debug for Inbound<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What the carrier holds is secret.
        f.debug_struct("Inbound").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The longest identity header, in bytes. A client's HTTP/2 header list has 16 KiB for everything.
pub const MAX_IDENTITY_HEADER_LEN: usize = 8 * 1024;

/// The most identity headers that one authority knows.
pub(crate) const MAX_IDENTITY_HEADERS: usize = 16;

/// What an [`IdentitySource`](crate::IdentitySource) reads: the identity headers, of which each
/// stands once and is ASCII within its bound, and what the server knows itself.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    names: &'a [&'static str],
    values: [Option<&'a str>; MAX_IDENTITY_HEADERS],
    inbound: Inbound<'a>,
    allowance: &'a Allowance,
}

/// What a request may spend on checks, and what became of it.
pub(crate) struct Allowance {
    granted: bool,
    asked: Cell<bool>,
    failed: Cell<bool>,
    blamed: Cell<Option<&'static str>>,
}

impl Allowance {
    /// What it needs, or nothing yet: then it finds out whether something is needed.
    pub(crate) const fn new(granted: bool) -> Self {
        Self { granted, asked: Cell::new(false), failed: Cell::new(false), blamed: Cell::new(None) }
    }

    /// Whether a check was asked for that was not granted.
    pub(crate) const fn was_asked(&self) -> bool {
        self.asked.get()
    }

    /// Whether a check was done that did not hold.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// The claim that was missing or wrong.
    pub(crate) const fn blamed(&self) -> Option<&'static str> {
        self.blamed.get()
    }
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").finish_non_exhaustive()
    }
}

impl<'a> Presented<'a> {
    /// Reads the headers `names` out of `inbound`, in one pass.
    pub(crate) fn read(
        names: &'a [&'static str],
        inbound: Inbound<'a>,
        allowance: &'a Allowance,
    ) -> Result<Self, Reason> {
        debug_assert!(names.len() <= MAX_IDENTITY_HEADERS, "the builder bounds them");
        let mut values = [None; MAX_IDENTITY_HEADERS];
        let mut refused = None;
        inbound.carrier.each(&mut |name, value| {
            if refused.is_none() {
                refused = take(names, &mut values, name, value).err();
            }
        });
        match refused {
            Some(reason) => Err(reason),
            None => Ok(Self { names, values, inbound, allowance }),
        }
    }

    /// The header of that name, which the source must have declared.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values[at]
    }

    /// The far end.
    #[must_use]
    pub const fn peer(&self) -> Peer<'a> {
        self.inbound.peer
    }

    /// The host that was asked for.
    #[must_use]
    pub const fn host(&self) -> Option<&'a str> {
        self.inbound.host
    }

    /// The path that was asked for.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.inbound.path
    }

    /// Does a check that costs more than a look-up: a signature, the hash of a password.
    ///
    /// So many of them are done at once in a process, and no more. Where this request has to wait,
    /// `check` is not called, and the error, [`Reason::TooManyChecks`], is what the source returns.
    /// When it is the request's turn the source is asked again.
    ///
    /// An error of `check` counts against the peer.
    ///
    /// # Errors
    ///
    /// Those of `check`, and `TooManyChecks`.
    pub fn costly<T, E: From<Reason>>(&self, check: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if !self.allowance.granted {
            self.allowance.asked.set(true);
            return Err(Reason::TooManyChecks.into());
        }
        check().inspect_err(|_| self.allowance.failed.set(true))
    }

    /// Notes the claim that is to blame, for the auditor, and tells the reason, for the caller.
    pub(crate) fn blame(&self, fault: Fault) -> Reason {
        self.allowance.blamed.set(fault.claim);
        fault.reason
    }

    /// The places of the headers that are there.
    pub(crate) fn present(&self) -> impl Iterator<Item = usize> {
        (0..self.names.len()).filter(|at| self.values[*at].is_some())
    }
}

fn take<'a>(
    names: &[&'static str],
    values: &mut [Option<&'a str>],
    name: &'a [u8],
    value: Option<&'a [u8]>,
) -> Result<(), Reason> {
    if name.eq_ignore_ascii_case(b"connection") {
        return refuse_hop_by_hop(names, value.unwrap_or_default());
    }
    let Some(at) = names.iter().position(|known| is_alike(known.as_bytes(), name)) else {
        return Ok(());
    };
    if names[at].as_bytes() != name {
        return Err(Reason::AliasedHeader);
    }
    if values[at].is_some() {
        return Err(Reason::DuplicateHeader);
    }
    let value = value.ok_or(Reason::MalformedHeader)?;
    if value.len() > MAX_IDENTITY_HEADER_LEN {
        return Err(Reason::OversizeHeader);
    }
    // A fold and not `all`, which would stop early and so look at one byte at a time.
    let is_printable = value.iter().fold(true, |yes, byte| yes & matches!(byte, b' '..=b'~'));
    if value.is_empty() || !is_printable {
        return Err(Reason::MalformedHeader);
    }
    values[at] = std::str::from_utf8(value).ok();
    Ok(())
}

/// `Connection: txn-token` makes the next proxy strip the header (CVE-2024-45410, CVE-2025-48865).
fn refuse_hop_by_hop(names: &[&'static str], connection: &[u8]) -> Result<(), Reason> {
    let named = connection
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|option| names.iter().any(|known| is_alike(known.as_bytes(), option)));
    if named { Err(Reason::HopByHopHeader) } else { Ok(()) }
}

/// Whether some hop would take one name for the other: without regard to case, and with every separator
/// alike, as `_` and `-` are to CGI and its heirs (CVE-2025-64484), and `.` to some of them.
pub(crate) fn is_alike(known: &[u8], name: &[u8]) -> bool {
    let fold =
        |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    known.len() == name.len() && known.iter().map(fold).eq(name.iter().map(fold))
}
