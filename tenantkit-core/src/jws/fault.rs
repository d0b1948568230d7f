//! [`Fault`]: why a token does not hold, and which of its claims is to blame.

use serde_json::{Map, Value};

use crate::Reason;

/// Why a token does not hold. The caller is told the reason; the auditor the claim as well, by a name
/// that this crate has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) claim: Option<&'static str>,
}

impl Fault {
    /// A claim that is required and missing, or wrong.
    pub(crate) const fn claim(name: &'static str) -> Self {
        Self { reason: Reason::BadClaim, claim: Some(name) }
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self { reason, claim: None }
    }
}

/// What kind of value a claim has to have.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// A string, or an array of strings.
    Texts,
    /// A whole number from 0 on.
    Number,
    /// An object.
    Object,
}

/// A claim, and what is asked of it: `aud` or, in an object, `tctx.tenant`.
pub(crate) struct Expects {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

impl Expects {
    pub(crate) const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: true }
    }

    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false }
    }
}

/// Finds the claim for which claims could not be read. It runs only then, so it may take its time.
pub(crate) fn to_blame(json: &[u8], expected: &[Expects]) -> Fault {
    let claims: Map<String, Value> = serde_json::from_slice(json).unwrap_or_default();
    let wrong = expected.iter().find(|it| !it.is_met_in(&claims, it.name));
    Fault { reason: Reason::BadClaim, claim: wrong.map(|it| it.name) }
}

impl Expects {
    fn is_met_in(&self, object: &Map<String, Value>, name: &str) -> bool {
        if let Some((inner, member)) = name.split_once('.') {
            // That it is there, and an object, is asked of itself.
            let inner = object.get(inner).and_then(Value::as_object);
            return inner.is_none_or(|inner| self.is_met_in(inner, member));
        }
        let Some(value) = object.get(name) else { return !self.required };
        match self.kind {
            Kind::Text => value.is_string(),
            Kind::Texts => {
                let texts = |all: &Vec<Value>| all.iter().all(Value::is_string);
                value.is_string() || value.as_array().is_some_and(texts)
            }
            Kind::Number => value.is_u64(),
            Kind::Object => value.is_object(),
        }
    }
}
