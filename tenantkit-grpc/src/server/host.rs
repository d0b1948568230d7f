//! The host that a request asks for, for a source that reads the tenant from it.

use http::{Request, header};
use tenantkit_core::Reason;

/// The URI's host, or that of the header. Two that differ are a refusal, because another hop may have
/// read the other one. So is one with anything but a name and a port in it: a user in front
/// (`acme.example@globex.example`), or a list, is read from either end.
pub(super) fn of<B>(request: &Request<B>) -> Result<Option<&str>, Reason> {
    let mut headers = request.headers().get_all(header::HOST).iter();
    let header = match headers.next() {
        Some(host) => Some(host.to_str().map_err(|_| Reason::MalformedHeader)?),
        None => None,
    };
    if headers.next().is_some() {
        return Err(Reason::DuplicateHeader);
    }
    let host = match (request.uri().authority(), header) {
        (Some(uri), Some(header)) if !uri.as_str().eq_ignore_ascii_case(header) => {
            return Err(Reason::DuplicateHeader);
        }
        (Some(uri), _) => Some(uri.as_str()),
        (None, header) => header,
    };
    match host {
        Some(host) if !is_plain(host) => Err(Reason::MalformedHeader),
        host => Ok(host),
    }
}

/// A name, an address in brackets, a port.
fn is_plain(host: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(may_stand)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(uri: &str, headers: &[&[u8]]) -> Result<Option<String>, Reason> {
        let request = Request::get(uri);
        let request = headers.iter().fold(request, |it, host| it.header(header::HOST, *host));
        of(&request.body(()).unwrap()).map(|host| host.map(str::to_owned))
    }

    fn asked(host: &str) -> Result<Option<String>, Reason> {
        Ok(Some(host.to_owned()))
    }

    #[test]
    fn it_is_the_uris_or_the_headers_where_they_agree() {
        assert_eq!(host("/", &[]), Ok(None));
        assert_eq!(host("/", &[b"acme.example:8080"]), asked("acme.example:8080"));
        assert_eq!(host("http://acme.example/", &[]), asked("acme.example"));
        assert_eq!(host("http://acme.example/", &[b"ACME.example"]), asked("acme.example"));
        assert_eq!(host("http://[::1]:80/", &[b"[::1]:80"]), asked("[::1]:80"));
        // A name of containers, or one that is escaped: whoever reads it says what it is.
        assert_eq!(host("/", &[b"my_service"]), asked("my_service"));
    }

    #[test]
    fn two_are_refused() {
        let two = Err(Reason::DuplicateHeader);
        assert_eq!(host("/", &[b"acme.example", b"acme.example"]), two);
        assert_eq!(host("http://acme.example/", &[b"globex.example"]), two);
        assert_eq!(host("http://acme.example/", &[b"acme.example:80"]), two);
        assert_eq!(host("http://acme.example/", &[b""]), two);
    }

    #[test]
    fn one_that_can_be_read_in_two_ways_is_refused() {
        let wrong = Err(Reason::MalformedHeader);
        for header in [
            "",
            "acme.example@globex.example",
            "acme.example, globex.example",
            "acme.example globex.example",
            "acme.example/globex.example",
            "acme.example?globex.example",
            "acme.example\\globex.example",
            "acme%2eexample",
        ] {
            assert_eq!(host("/", &[header.as_bytes()]), wrong, "{header}");
        }
        assert_eq!(host("/", &[b"acm\xe9.example"]), wrong);
        assert_eq!(host("http://acme.example@globex.example/", &[]), wrong);
    }
}
