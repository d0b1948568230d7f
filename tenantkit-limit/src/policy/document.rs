//! [`LimitPolicy`] from a document. Each mistake is told with its line, which is why the policy is put
//! together while the document is being read and not afterwards.

mod allowance;
mod table;

use serde::de::{DeserializeSeed, Error, MapAccess};
use tenantkit_core::{TenantId, TierSet};

use self::{
    allowance::AllowanceTable,
    table::{Read, Table, refuse},
};
use super::{InvalidPolicy, LimitPolicy, LimitPolicyBuilder};

/// Why a document is not a [`LimitPolicy`], with the line. It quotes the document's words, and never
/// one that stands where a tenant does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limits: {0}")]
pub struct InvalidDocument(String);

impl LimitPolicy {
    /// From a document in TOML.
    ///
    /// # Errors
    ///
    /// When it is no TOML, or not of the [shape](super) that it must be; with the line.
    #[cfg(feature = "toml")]
    pub fn from_toml(tiers: TierSet, text: &str) -> Result<Self, InvalidDocument> {
        let wrong = |error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
            InvalidDocument(format!("line {line}: {}", error.message()))
        };
        let document = toml::Deserializer::parse(text).map_err(wrong)?;
        document_of(tiers).deserialize(document).map_err(wrong)
    }

    /// From a document in JSON.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or not of the [shape](super) that it must be; with the line.
    #[cfg(feature = "json")]
    pub fn from_json(tiers: TierSet, text: &str) -> Result<Self, InvalidDocument> {
        let wrong = |error: serde_json::Error| {
            let told = error.to_string();
            let told = told.split(" at line ").next().unwrap_or(&told).to_owned();
            InvalidDocument(format!("line {}: {told}", error.line()))
        };
        let mut document = serde_json::Deserializer::from_str(text);
        let policy = document_of(tiers).deserialize(&mut document).map_err(wrong)?;
        document.end().map_err(wrong)?;
        Ok(policy)
    }
}

fn document_of(tiers: TierSet) -> Read<Document> {
    Read(Document(LimitPolicy::builder(tiers)))
}

/// `resources = { .. }`, and nothing else.
struct Document(LimitPolicyBuilder);

impl Table for Document {
    type Made = LimitPolicy;
    const KEYS: &'static str = "resources";

    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "resources" => map.next_value_seed(Read(Resources(&mut self.0))),
            _ => Err(Self::unknown(key, map)),
        }
    }

    fn made<E: Error>(self) -> Result<LimitPolicy, E> {
        self.0.build().map_err(E::custom)
    }
}

/// Resources by name.
struct Resources<'a>(&'a mut LimitPolicyBuilder);

impl Table for Resources<'_> {
    type Made = ();
    const KEYS: &'static str = "the names of resources";

    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        if !super::is_name(key) {
            return Err(refuse(map, InvalidPolicy::ResourceName));
        }
        map.next_value_seed(Read(Resource { policy: self.0, name: key }))
    }

    fn made<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// `tiers = { .. }`, `tenants = { .. }`.
struct Resource<'a> {
    policy: &'a mut LimitPolicyBuilder,
    name: &'a str,
}

impl Table for Resource<'_> {
    type Made = ();
    const KEYS: &'static str = "tiers, tenants";

    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let (policy, resource) = (&mut *self.policy, self.name);
        match key {
            "tiers" => map.next_value_seed(Read(Tiers { policy, resource })),
            "tenants" => map.next_value_seed(Read(Tenants { policy, resource })),
            _ => Err(Self::unknown(key, map)),
        }
    }

    fn made<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Allowances by the names of tiers.
struct Tiers<'a> {
    policy: &'a mut LimitPolicyBuilder,
    resource: &'a str,
}

impl Table for Tiers<'_> {
    type Made = ();
    const KEYS: &'static str = "the names of tiers";

    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let Self { policy, resource } = self;
        let keep = |allowance| policy.set_tier(resource, key, allowance);
        map.next_value_seed(Read(AllowanceTable::kept(keep)))
    }

    fn made<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Allowances by tenant.
struct Tenants<'a> {
    policy: &'a mut LimitPolicyBuilder,
    resource: &'a str,
}

impl Table for Tenants<'_> {
    type Made = ();
    const KEYS: &'static str = "the names of tenants";

    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let tenant: TenantId = match key.parse() {
            Ok(tenant) => tenant,
            Err(error) => return Err(refuse(map, error)),
        };
        let Self { policy, resource } = self;
        let keep = |allowance| policy.set_tenant(resource, tenant, allowance);
        map.next_value_seed(Read(AllowanceTable::kept(keep)))
    }

    fn made<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}
