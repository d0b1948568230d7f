//! Which protocol a request or an answer speaks, and so how it is refused or cut.

use http::{HeaderMap, HeaderValue, Method, Request, header};

/// What a request or an answer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
    GrpcWeb,
    GrpcWebText,
}

impl Protocol {
    /// Tells it of a request. All of gRPC is `POST`; another method is not, whatever it says of its
    /// content: a refusal over gRPC is a 200, and a proxy that asks on behalf of somebody (`auth_request`
    /// of nginx, say, always with `GET`) would take that for a yes.
    pub(crate) fn asked<B>(request: &Request<B>) -> Self {
        if request.method() == Method::POST { Self::of(request.headers()) } else { Self::Http }
    }

    /// Tells it from the content type.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return Self::Http };
        let known = [
            ("application/grpc", Self::Grpc),
            ("application/grpc-web", Self::GrpcWeb),
            ("application/grpc-web-text", Self::GrpcWebText),
        ];
        let spoken = known.into_iter().find(|(name, _)| is_a(content_type.as_bytes(), name));
        spoken.map_or(Self::Http, |(_, protocol)| protocol)
    }

    /// The content type of an answer without a message; `None` where the answer has its own.
    pub(crate) const fn content_type(self) -> Option<HeaderValue> {
        match self {
            Self::Http => None,
            Self::Grpc => Some(HeaderValue::from_static("application/grpc")),
            Self::GrpcWeb => Some(HeaderValue::from_static("application/grpc-web+proto")),
            Self::GrpcWebText => Some(HeaderValue::from_static("application/grpc-web-text+proto")),
        }
    }
}

/// Whether `value` is that media type: bare, with a message format (`+proto`) or a parameter.
fn is_a(value: &[u8], media_type: &str) -> bool {
    let Some((start, rest)) = value.split_at_checked(media_type.len()) else { return false };
    start.eq_ignore_ascii_case(media_type.as_bytes())
        && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_post_is_grpc() {
        for (method, protocol) in [
            (Method::POST, Protocol::Grpc),
            (Method::GET, Protocol::Http),
            (Method::HEAD, Protocol::Http),
            (Method::OPTIONS, Protocol::Http),
        ] {
            let request = Request::builder().method(method);
            let request = request.header("content-type", "application/grpc");
            assert_eq!(Protocol::asked(&request.body(()).unwrap()), protocol);
        }
    }

    fn of(content_type: &'static str) -> Protocol {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Protocol::of(&headers)
    }

    #[test]
    fn grpc_is_told_from_its_look_alikes() {
        assert_eq!(Protocol::of(&HeaderMap::new()), Protocol::Http);
        for http in ["", "application/json", "application/grpcish", "application/grp", "text/grpc"]
        {
            assert_eq!(of(http), Protocol::Http, "{http}");
        }
        for grpc in ["application/grpc", "application/grpc+proto", "Application/GRPC;charset=x"] {
            assert_eq!(of(grpc), Protocol::Grpc, "{grpc}");
        }
        for web in ["application/grpc-web", "application/grpc-web+proto"] {
            assert_eq!(of(web), Protocol::GrpcWeb, "{web}");
        }
        assert_eq!(of("application/grpc-web-text"), Protocol::GrpcWebText);
    }
}
