//! [`TrustDomain`]: the hosts that may be told who the tenant is.

use std::sync::Arc;

use http::{
    HeaderMap, header,
    uri::{Authority, Scheme, Uri},
};

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

    /// Whether a request goes to a trusted host. That of the `host` header counts as well as the URI's,
    /// because a proxy or a mesh on the way goes by it. A request without a host goes where the client
    /// below always goes.
    pub(super) fn contains(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let trusts = |host: &Authority| self.0.iter().any(|it| it.matches(uri.scheme(), host));
        let mut named = headers.get_all(header::HOST).iter();
        uri.authority().is_none_or(trusts)
            && named.all(|host| host.as_bytes().try_into().is_ok_and(|host| trusts(&host)))
    }
}

impl Trusted {
    fn parse(declared: &str) -> Option<Self> {
        let (scheme, rest) = match declared.split_once("://") {
            // Only in lower case `https` is the scheme that a URI has.
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase().parse().ok()?), rest),
            None => (None, declared),
        };
        // A host of `.internal` is none, so the dot is put back afterwards.
        let below = rest.strip_prefix('.');
        let authority: Authority = below.unwrap_or(rest).parse().ok()?;
        let (host, port) = host_and_port(&authority)?;
        if host.is_empty() || host.contains('*') {
            return None;
        }
        let host = match below {
            Some(_) => Host::Below(format!(".{host}").into()),
            None => Host::Exactly(host.into()),
        };
        Some(Self { scheme, host, port })
    }

    fn matches(&self, scheme: Option<&Scheme>, authority: &Authority) -> bool {
        let Some((host, port)) = host_and_port(authority) else { return false };
        let port = port.or_else(|| default_port(scheme?));
        self.scheme.as_ref().is_none_or(|wanted| Some(wanted) == scheme)
            && self.port.is_none_or(|wanted| Some(wanted) == port)
            && match &self.host {
                Host::Exactly(wanted) => host.eq_ignore_ascii_case(wanted),
                Host::Below(domain) => ends_with(host, domain),
            }
    }
}

/// `None` where anything else stands there (a user, an empty or an impossible port), because it would
/// not be compared, and clients differ on what it means.
fn host_and_port(authority: &Authority) -> Option<(&str, Option<u16>)> {
    let host = authority.host();
    let rest = authority.as_str().strip_prefix(host)?;
    if rest.is_empty() {
        return Some((host, None));
    }
    let port = rest.strip_prefix(':').filter(|port| port.bytes().all(|it| it.is_ascii_digit()))?;
    Some((host, Some(port.parse().ok()?)))
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
        trusts_with_host(declared, uri, None)
    }

    fn trusts_with_host(declared: &str, uri: &str, host: Option<&str>) -> bool {
        let headers = host.map(|host| (header::HOST, host.try_into().unwrap()));
        let trusted = TrustDomain::default().with(declared);
        trusted.contains(&uri.parse().unwrap(), &headers.into_iter().collect())
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
            ("HTTPS://documents.internal", "https://documents.internal/x"),
            ("https://documents.internal", "HTTPS://documents.internal/x"),
            ("Documents.Internal", "http://documents.internal/x"),
            (".Internal", "http://documents.INTERNAL/x"),
            ("[::1]:50051", "http://[::1]:50051/x"),
            ("[2001:DB8::1]", "http://[2001:db8::1]:7/x"),
            ("xn--bcher-kva.internal", "http://XN--bcher-kva.internal/x"),
            ("documents.internal.", "http://documents.internal./x"),
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
            ("https://documents.internal", "ftp://documents.internal/x"),
            // The same place for some, and so not for us.
            ("documents.internal", "http://documents.internal./x"),
            (".internal", "http://documents.internal./x"),
            ("documents.internal", "http://user@documents.internal/x"),
            (".internal", "http://evil.example:x@documents.internal/x"),
            ("documents.internal", "http://documents.internal:/x"),
            ("documents.internal", "http://documents.internal:99999/x"),
            ("documents.internal:443", "https://documents.internal:65979/x"),
            ("[::1]", "http://[0:0:0:0:0:0:0:1]/x"),
            ("127.0.0.1", "http://2130706433/x"),
            ("documents.internal:80", "http://documents.internal:+80/x"),
        ] {
            assert!(!trusts(declared, uri), "{declared} {uri}");
        }
        let nowhere = TrustDomain::default();
        let uri = "http://documents.internal/".parse().unwrap();
        assert!(!nowhere.contains(&uri, &HeaderMap::new()));
    }

    #[test]
    fn a_host_header_is_trusted_no_further_than_a_uri() {
        for uri in ["/", "http://documents.internal/"] {
            for host in ["documents.internal", "documents.internal:80", "Documents.Internal"] {
                assert!(trusts_with_host("documents.internal", uri, Some(host)), "{uri} {host}");
            }
            for host in ["elsewhere.example", "documents.internal@elsewhere.example", "", "a, b"] {
                assert!(!trusts_with_host("documents.internal", uri, Some(host)), "{uri} {host}");
            }
        }
        let (uri, good) = ("http://elsewhere.example/", Some("documents.internal"));
        assert!(!trusts_with_host("documents.internal", uri, good));
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
            "user@:1",
            "a:+80",
            "a/path",
            "http://",
            "a b",
        ] {
            assert!(Trusted::parse(wrong).is_none(), "{wrong}");
        }
    }
}
