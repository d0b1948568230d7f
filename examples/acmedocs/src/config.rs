//! What acmedocs is told: a TOML file, and environment variables over it.
//!
//! `ACMEDOCS__EDGE__LISTEN=127.0.0.1:8080` is the key `edge.listen`. An unknown key, a missing one and
//! one that cannot be read stop the service before it listens, with the key's name and what it may be.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU32, path::PathBuf};

use config::{Environment, File, FileFormat};
use serde::{Deserialize, Deserializer, de::Error as _};
use tenantkit::{TenantId, TierSet};

/// The tiers that acmedocs sells.
pub const TIERS: TierSet = TierSet::new(&["bronze", "silver", "gold", "platinum"]);

/// Everything that acmedocs is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The audience of the tokens between the services, the same in all of them.
    pub trust_domain: String,
    /// The keys that sign them, as a JWK set with public keys.
    pub txn_keys: PathBuf,
    /// The service that faces the internet.
    pub edge: Edge,
    /// The service behind it.
    pub documents: Documents,
    /// Who bought what.
    pub tenants: BTreeMap<String, Tenant>,
}

/// The service that faces the internet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Where it listens.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Where its audit events are written, one JSON object a line.
    pub audit_log: PathBuf,
    /// What it calls itself in the tokens that it mints.
    pub workload: String,
    /// Who issues the tokens of the outside world.
    pub issuer: String,
    /// Whom they are for.
    pub audience: String,
    /// The issuer's public keys, as a JWK set.
    pub issuer_keys: PathBuf,
    /// The private JWK that signs the tokens for the documents service.
    pub signing_key: PathBuf,
    /// Where the documents service is.
    pub documents_url: String,
}

/// The service that keeps the documents.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    /// Where it listens.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Where its audit events are written, one JSON object a line.
    pub audit_log: PathBuf,
    /// What it calls itself.
    pub workload: String,
    /// Postgres, as a role that row-level security binds.
    #[serde(deserialize_with = "database")]
    pub database_url: String,
    /// Postgres, as the role that owns the tables. Only migrations use it.
    #[serde(deserialize_with = "database")]
    pub owner_url: String,
    /// The most connections that it holds.
    #[serde(default = "sixteen")]
    pub max_connections: NonZeroU32,
}

/// A tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// One of [`TIERS`].
    pub tier: String,
    /// Whether it may act.
    #[serde(default)]
    pub suspended: bool,
}

/// Why acmedocs does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file or the environment cannot be read, or has or lacks a key. The message names it.
    #[error(transparent)]
    Read(#[from] config::ConfigError),
    /// A tenant's name is not one.
    #[error("tenants: the name at place {place} is not a tenant id: {source}")]
    TenantId {
        /// From 1, in the order of the names.
        place: usize,
        /// What is wrong with it.
        source: tenantkit::InvalidTenantId,
    },
    /// A tier is not one.
    #[error("tenants.{tenant}.tier may be one of bronze, silver, gold, platinum")]
    Tier {
        /// The tenant, whose name is good.
        tenant: TenantId,
    },
}

impl Config {
    /// Reads `file`, then the environment.
    ///
    /// # Errors
    ///
    /// Names the key that is wrong and what it may be.
    pub fn load(file: &str) -> Result<Self, ConfigError> {
        let environment = Environment::with_prefix("ACMEDOCS").separator("__");
        let sources = config::Config::builder()
            .add_source(File::new(file, FileFormat::Toml))
            .add_source(environment)
            .build()?;
        let config: Self = sources.try_deserialize()?;
        config.records()?;
        Ok(config)
    }

    /// The tenants as the directory has them.
    ///
    /// # Errors
    ///
    /// Names the entry that is wrong.
    pub fn records(&self) -> Result<Vec<(TenantId, tenantkit::TenantRecord)>, ConfigError> {
        let entries = self.tenants.iter().enumerate();
        entries.map(|(at, (name, tenant))| tenant.record(at + 1, name)).collect()
    }
}

impl Tenant {
    fn record(
        &self,
        place: usize,
        name: &str,
    ) -> Result<(TenantId, tenantkit::TenantRecord), ConfigError> {
        use tenantkit::{TenantRecord, TenantStatus};

        let id = TenantId::new(name).map_err(|source| ConfigError::TenantId { place, source })?;
        let tier = TIERS.get(&self.tier).ok_or(ConfigError::Tier { tenant: id })?;
        let status = if self.suspended { TenantStatus::Suspended } else { TenantStatus::Active };
        Ok((id, TenantRecord::active(tier).status(status)))
    }
}

const fn sixteen() -> NonZeroU32 {
    NonZeroU32::new(16).expect("16 is not zero")
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("an address may be like 127.0.0.1:8080"))
}

/// What is wrong with a URL may have its password in it, and is not repeated.
fn database<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let url = String::deserialize(deserializer)?;
    let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if is_postgres && url.parse::<sqlx::postgres::PgConnectOptions>().is_ok() {
        return Ok(url);
    }
    Err(D::Error::custom("a database may be like postgres://user:password@host:5432/name"))
}
