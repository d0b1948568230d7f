//! [`TrustDomain`]: the hosts that may be told who the tenant is.

use std::sync::Arc;

use http::uri::{Authority, Scheme, Uri};

/// The hosts that may be told who the tenant is. Compared without regard to case, and otherwise
/// exactly: what is not recognised is not trusted.
#[derive(Debug, Clone, Default)]
pub(super) struct TrustDomain(Arc<[Trusted]>);

#[derive(Debug, Clone)]
struct Trusted {
    scheme: Option<Scheme>,
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone)]
enum Host {
    Exactly(Box<str>),
    /// With the dot in front.
    Below(Box<str>),
}

impl TrustDomain {
    #[track_caller]
    pub(super) fn with(&self, declared: &str) -> Self {
        let Some(trusted) = Trusted::parse(declared) else {
            panic!(
                "`trust` wants `host`, `host:port` or `.domain` (all below it), maybe with a scheme"
            );
        };
        Self(self.0.iter().cloned().chain([trusted]).collect())
    }

    /// Whether a request for `uri` goes to a trusted host. A URI without a host goes where the
    /// client below always goes.
    pub(super) fn contains(&self, uri: &Uri) -> bool {
        let Some(authority) = uri.authority() else { return true };
        self.0.iter().any(|trusted| trusted.matches(uri.scheme(), authority))
    }
}

impl Trusted {
    fn parse(declared: &str) -> Option<Self> {
        let (scheme, rest) = match declared.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.parse().ok()?), rest),
            None => (None, declared),
        };
        // A host of `.internal` is none, so the dot is put back afterwards.
        let below = rest.strip_prefix('.');
        let authority: Authority = below.unwrap_or(rest).parse().ok()?;
        let (host, port) = (authority.host(), authority.port_u16());
        let said = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        // Whatever else stood there (a user, an empty or an impossible port) would not be compared.
        if host.is_empty() || host.contains('*') || said != authority.as_str() {
            return None;
        }
        let host = match below {
            Some(_) => Host::Below(format!(".{host}").into()),
            None => Host::Exactly(host.into()),
        };
        Some(Self { scheme, host, port })
    }

    fn matches(&self, scheme: Option<&Scheme>, authority: &Authority) -> bool {
        let port = authority.port_u16().or_else(|| default_port(scheme?));
        self.scheme.as_ref().is_none_or(|wanted| Some(wanted) == scheme)
            && self.port.is_none_or(|wanted| Some(wanted) == port)
            && match &self.host {
                Host::Exactly(host) => authority.host().eq_ignore_ascii_case(host),
                Host::Below(domain) => ends_with(authority.host(), domain),
            }
    }
}

fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn ends_with(host: &str, domain: &str) -> bool {
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    start > 0 && host.as_bytes()[start..].eq_ignore_ascii_case(domain.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(declared: &str, uri: &str) -> bool {
        TrustDomain::default().with(declared).contains(&uri.parse().unwrap())
    }

    #[test]
    fn only_what_was_declared_is_trusted() {
        for (declared, uri) in [
            ("documents.internal:50051", "http://documents.internal:50051/x"),
            ("documents.internal:50051", "http://DOCUMENTS.internal:50051/x"),
            ("documents.internal:443", "https://documents.internal/x"),
            ("documents.internal", "http://documents.internal:1/x"),
            (".internal", "http://documents.internal/x"),
            (".internal:80", "http://a.b.internal/x"),
            ("https://documents.internal", "https://documents.internal/x"),
            ("[::1]:50051", "http://[::1]:50051/x"),
            ("documents.internal", "/without/a/host"),
        ] {
            assert!(trusts(declared, uri), "{declared} {uri}");
        }
        for (declared, uri) in [
            ("documents.internal:50051", "http://documents.internal:50052/x"),
            ("documents.internal:50051", "http://documents.internal/x"),
            ("documents.internal", "http://documents.internal.evil.example/x"),
            ("documents.internal", "http://documents.internal@evil.example/x"),
            ("documents.internal", "http://evil-documents.internal/x"),
            (".internal", "http://internal/x"),
            (".internal", "http://.internal/x"),
            (".internal", "http://evilinternal/x"),
            ("https://documents.internal", "http://documents.internal/x"),
        ] {
            assert!(!trusts(declared, uri), "{declared} {uri}");
        }
        assert!(!TrustDomain::default().contains(&"http://documents.internal/".parse().unwrap()));
    }

    #[test]
    fn what_is_no_host_cannot_be_declared() {
        for wrong in [
            "",
            ".",
            "*.internal",
            "*",
            "a:b",
            "a:",
            "a:99999",
            "user@a",
            "a/path",
            "http://",
            "a b",
        ] {
            assert!(Trusted::parse(wrong).is_none(), "{wrong}");
        }
    }
}
