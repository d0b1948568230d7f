//! What both kinds of token say in the same way.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use super::{
    Fault,
    json::{Str, given},
};
use crate::{Reason, Scopes, Subject, Text, UnixTime};

/// `aud`: one, or several.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Audience<'a>(#[serde(borrow)] OneOrMore<'a>);

impl Audience<'_> {
    pub(crate) fn has(&self, audience: &str) -> bool {
        self.0.0.iter().any(|one| **one == *audience)
    }

    pub(crate) fn is_only(&self, audience: &str) -> bool {
        matches!(&*self.0.0, [one] if **one == *audience)
    }
}

/// A string, or an array of strings.
pub(crate) struct OneOrMore<'a>(pub(crate) Vec<Str<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for OneOrMore<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;

        impl<'de> Visitor<'de> for Strings {
            type Value = OneOrMore<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(OneOrMore(vec![Str::from(text)]))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OneOrMore(vec![Str::from(text.to_owned())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = all.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMore(texts))
            }
        }

        deserializer.deserialize_any(Strings)
    }
}

/// `act`: who really acts (RFC 8693, section 4.1). An issuer that is left out is the token's.
#[derive(Deserialize)]
pub(crate) struct Actor<'a> {
    #[serde(borrow)]
    sub: Str<'a>,
    #[serde(borrow, default, deserialize_with = "given")]
    iss: Option<Str<'a>>,
}

impl Actor<'_> {
    pub(crate) fn subject(&self, name: &'static str, otherwise: &Text) -> Result<Subject, Fault> {
        let issuer = match self.iss.as_deref() {
            Some(issuer) => text(name, issuer)?,
            None => otherwise.clone(),
        };
        Ok(Subject::new(issuer, text(name, &self.sub)?))
    }
}

/// A claim that must be a short text.
pub(crate) fn text(name: &'static str, claim: &str) -> Result<Text, Fault> {
    Text::new(claim).map_err(|_| Fault::claim(name))
}

/// A list of scopes, which may be empty.
pub(crate) fn scopes(name: &'static str, claim: &str) -> Result<Scopes, Fault> {
    Scopes::new(claim).map_err(|_| Fault::claim(name))
}

/// How long tokens of an issuer may live, and how far its clock may be ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) max_lifetime: Duration,
    /// For what lies in the future. An expired token has no leeway.
    pub(crate) leeway: Duration,
}

/// When a token is valid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity {
    pub(crate) issued: UnixTime,
    /// From then on, by the issuer's clock.
    pub(crate) not_before: UnixTime,
    pub(crate) expires: UnixTime,
}

impl Validity {
    /// From `iat`, `nbf` and `exp`, in seconds.
    pub(crate) fn new(iat: u64, nbf: Option<u64>, exp: u64) -> Self {
        let issued = UnixTime::from_secs(iat);
        Self {
            issued,
            not_before: nbf.map_or(issued, |nbf| issued.max(UnixTime::from_secs(nbf))),
            expires: UnixTime::from_secs(exp),
        }
    }

    /// What holds once and for all.
    pub(crate) fn bounded(self, bounds: &Bounds) -> Result<Self, Fault> {
        let lifetime = self.expires.since(self.issued);
        if lifetime.is_zero() || lifetime > bounds.max_lifetime {
            return Err(Fault::claim("exp"));
        }
        Ok(self)
    }

    /// When it was issued at the earliest, by our own clock: the issuer's may be ahead by the leeway.
    pub(crate) fn surely_issued(&self, bounds: &Bounds) -> UnixTime {
        self.issued.saturating_sub(bounds.leeway)
    }

    /// What holds at a time.
    pub(crate) fn check(&self, now: UnixTime, bounds: &Bounds) -> Result<(), Reason> {
        if now >= self.expires {
            return Err(Reason::Expired);
        }
        if self.not_before > now.saturating_add(bounds.leeway) {
            return Err(Reason::NotYetValid);
        }
        Ok(())
    }
}
