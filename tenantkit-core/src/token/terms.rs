//! [`KeyTerms`]: what a key is for, whose it is, and for how long.

use serde_json::{Map, Value};

use crate::{
    Text, UnixTime,
    jws::{
        cache::KeyWindow,
        json::Str,
        jwk::{Jwk, KeyError},
    },
};

/// What a key signs. It is refused for anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyUse {
    /// Transaction tokens.
    Txn,
    /// Envelopes of records.
    Envelope,
    /// Jobs.
    Job,
}

impl KeyUse {
    const ALL: [Self; 3] = [Self::Txn, Self::Envelope, Self::Job];

    /// Its name: the member `tenantkit_use` of a JWK.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Txn => "txn",
            Self::Envelope => "envelope",
            Self::Job => "job",
        }
    }
}

/// On which terms a key is trusted: its name, what it signs, whose it is, and from when until when.
/// It is refused outside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTerms {
    kid: Text,
    key_use: KeyUse,
    workload: Text,
    window: KeyWindow,
}

impl KeyTerms {
    /// The key `kid` of `workload`, without a bound in time.
    #[must_use]
    pub const fn new(kid: Text, key_use: KeyUse, workload: Text) -> Self {
        Self { kid, key_use, workload, window: KeyWindow::ALWAYS }
    }

    /// Only from `from` on, and no longer at `until`.
    #[must_use]
    pub fn valid(self, from: UnixTime, until: UnixTime) -> Self {
        Self { window: KeyWindow { from, until }, ..self }
    }

    /// Its name.
    #[must_use]
    pub const fn kid(&self) -> &Text {
        &self.kid
    }

    /// What it signs.
    #[must_use]
    pub const fn key_use(&self) -> KeyUse {
        self.key_use
    }

    /// Whose it is.
    #[must_use]
    pub const fn workload(&self) -> &Text {
        &self.workload
    }

    pub(crate) const fn window(&self) -> KeyWindow {
        self.window
    }

    pub(super) fn from_jwk(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        let member = |name, member: &Option<Str<'_>>| {
            let text = member.as_deref().ok_or(KeyError::Member(name))?;
            Text::new(text).map_err(|_| KeyError::Member(name))
        };
        let name = member("tenantkit_use", &jwk.tenantkit_use)?;
        let key_use = KeyUse::ALL.into_iter().find(|known| known.as_str() == &*name);
        Ok(Self {
            kid: member("kid", &jwk.kid)?,
            key_use: key_use.ok_or(KeyError::Member("tenantkit_use"))?,
            workload: member("tenantkit_workload", &jwk.tenantkit_workload)?,
            window: jwk.window()?,
        })
    }

    /// The members of a JWK that hold the terms.
    pub(super) fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("kid", self.kid.as_str().into());
        put("use", "sig".into());
        put("tenantkit_use", self.key_use.as_str().into());
        put("tenantkit_workload", self.workload.as_str().into());
        if self.window.from != UnixTime::EPOCH {
            put("nbf", self.window.from.as_secs().into());
        }
        if self.window.until != UnixTime::MAX {
            put("exp", self.window.until.as_secs().into());
        }
        members
    }
}
