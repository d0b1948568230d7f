//! What the collector of all tests has received: no token, no key, no password.
//!
//! Each test says itself what it must not tell. This looks through all of it for what looks like a secret, whoever
//! wrote it.

use throwaway::Collector;

use crate::{Failure, step::say};

/// Looks through everything that the collector wrote down.
///
/// # Errors
///
/// When something of it looks like a secret, or there is nothing to look through.
pub(crate) fn look_for(collector: &Collector) -> Result<(), Failure> {
    for signal in ["traces", "logs", "metrics"] {
        let received = collector.received(signal);
        if received.is_empty() {
            return Err(format!("the collector of the tests has received no {signal}").into());
        }
        if let Some(what) = received.lines().find_map(secret) {
            return Err(format!("{what} is among the {signal} of the tests").into());
        }
        say(&format!("no secret in {} MiB of {signal}", received.len() >> 20));
    }
    Ok(())
}

/// What of a line looks like a secret. It is not told itself.
fn secret(line: &str) -> Option<&'static str> {
    let marks = [
        ("a private key", "PRIVATE KEY"),
        ("a private key", "\\\"d\\\":"),
        ("a bearer token", "Bearer ey"),
        ("a password", "password="),
    ];
    let marked = marks.iter().find(|(_, mark)| line.contains(mark)).map(|(what, _)| *what);
    marked.or_else(|| has_token(line).then_some("a signed token"))
}

/// Three parts in base64url, of which the first two are JSON.
fn has_token(line: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let words = line.split(|c: char| !c.is_ascii() || !(is_part(c as u8) || c == '.'));
    let is_token = |word: &str| {
        let parts: Vec<_> = word.split('.').collect();
        parts.windows(3).any(|parts| {
            parts[0].starts_with("eyJ") && parts[1].starts_with("eyJ") && parts[2].len() >= 40
        })
    };
    words.filter(|word| word.len() > 80).any(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_found_and_what_does_not_is_left_alone() {
        let (head, body) =
            ("eyJhbGciOiJFZERTQSJ9", "eyJzdWIiOiJhbGljZSJ9Cg_-padding-for-length-xx");
        let signed = format!("{head}.{body}.{}", "s".repeat(86));
        for (line, found) in [
            (format!("{{\"value\":\"{signed}\"}}"), Some("a signed token")),
            (format!("txn-token: {signed}, and more"), Some("a signed token")),
            ("authorization: Bearer eyJhb".to_owned(), Some("a bearer token")),
            ("-----BEGIN PRIVATE KEY-----".to_owned(), Some("a private key")),
            (r#"{"body":"{\"crv\":\"Ed25519\",\"d\":\"x\"}"}"#.to_owned(), Some("a private key")),
            (format!("{{\"kid\":\"edge-1\",\"claims\":\"{body}\"}}"), None),
            ("acmedocs.v1.Documents/List tenant.id acme".to_owned(), None),
        ] {
            assert_eq!(secret(&line), found, "{line}");
        }
    }
}
