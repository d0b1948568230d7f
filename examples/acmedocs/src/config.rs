//! What acmedocs is told: a TOML file, and environment variables over it.
//!
//! `ACMEDOCS__EDGE__LISTEN=127.0.0.1:8080` is the key `edge.listen`. An unknown key, a missing one and
//! one that cannot be read stop the service before it listens, with the key's name and what it may be.

mod kafka;
mod telemetry;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU8, NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Environment, File, FileFormat};
use serde::{Deserialize, Deserializer, de::Error as _};
use tenantkit::{TenantId, Tier, TierSet, postgres::Connections};

pub use self::{
    kafka::Kafka,
    telemetry::{Protocol, Telemetry},
};

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
    /// What each tenant may do, as a TOML document that speaks of [`RESOURCES`](crate::limits::RESOURCES);
    /// relative to this file, and read again whenever it changes. Without it nothing is limited.
    pub limits: Option<PathBuf>,
    /// What the edge takes at a time, of all tenants together. Without it, whatever comes.
    pub capacity: Option<Capacity>,
    /// Where changes of documents are told. Without it nobody is told, and nothing can be searched.
    pub kafka: Option<Kafka>,
    /// Where traces, logs and metrics go. Without it nowhere.
    pub telemetry: Option<Telemetry>,
    /// The service that faces the internet.
    pub edge: Edge,
    /// The service behind it.
    pub documents: Documents,
    /// Who bought what.
    pub tenants: BTreeMap<String, Tenant>,
}

/// What the edge takes at a time, of all tenants together. No tenant has more than half of it. Whoever
/// comes when it is taken waits in a line in which tenants take turns.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// The requests under way.
    pub global_in_flight: NonZeroU32,
    /// Up to how many they may become, while the time that they take does not grow with their number.
    /// Without it their number is fixed.
    pub adaptive_up_to: Option<NonZeroU32>,
    /// How long the wait may become before the lowest tier is shed, in milliseconds.
    #[serde(default = "twenty")]
    pub shed_after_ms: NonZeroU32,
    /// How long before every tier is.
    #[serde(default = "eighty")]
    pub shed_all_after_ms: NonZeroU32,
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
    /// How many of them one tenant may hold, in percent, so that slow statements of one leave others
    /// theirs. Without it, whatever comes.
    pub connections_per_tenant_percent: Option<NonZeroU8>,
    /// How long a statement may take, in milliseconds, for tenants of the tiers that it names; 30 s for
    /// the others.
    #[serde(default)]
    pub statement_timeout_ms: BTreeMap<String, NonZeroU64>,
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
    /// A statement timeout for a tier that is none.
    #[error("documents.statement_timeout_ms may name the tiers bronze, silver, gold, platinum")]
    StatementTimeout,
    /// A part of the connections that is more than all of them.
    #[error("documents.connections_per_tenant_percent may be 1 to 100")]
    Connections,
    /// The capacity is shared by rules that only the limits have.
    #[error(
        "capacity needs the key limits as well: the document that says what each tenant may do"
    )]
    CapacityWithoutLimits,
    /// The most is less than the least.
    #[error("capacity.adaptive_up_to may be capacity.global_in_flight or more")]
    Adaptive,
    /// Something of Kafka is none.
    #[error("kafka.{key} may be {may_be}")]
    Kafka {
        /// Which key of it.
        key: &'static str,
        /// What it may be.
        may_be: &'static str,
    },
    /// Something of the telemetry is none.
    #[error("telemetry.{key} may be {may_be}")]
    Telemetry {
        /// Which key of it.
        key: &'static str,
        /// What it may be.
        may_be: &'static str,
    },
    /// The highest tier would be shed first.
    #[error("capacity.shed_all_after_ms may be capacity.shed_after_ms or more")]
    Shedding,
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
        let mut config: Self = sources.try_deserialize()?;
        config.records()?;
        config.documents.statement_timeouts()?;
        config.documents.connections_per_tenant()?;
        config.capacity.map_or(Ok(()), |capacity| capacity.check(config.limits.is_some()))?;
        config.kafka.as_ref().map_or(Ok(()), Kafka::check)?;
        config.telemetry.as_ref().map_or(Ok(()), Telemetry::check)?;
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        config.limits = config.limits.map(|limits| folder.join(limits));
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

impl Capacity {
    fn check(self, has_limits: bool) -> Result<(), ConfigError> {
        if !has_limits {
            return Err(ConfigError::CapacityWithoutLimits);
        }
        if self.adaptive_up_to.is_some_and(|most| most < self.global_in_flight) {
            return Err(ConfigError::Adaptive);
        }
        if self.shed_all_after_ms < self.shed_after_ms {
            return Err(ConfigError::Shedding);
        }
        Ok(())
    }
}

impl Documents {
    /// How many connections one tenant may hold, where that is said.
    ///
    /// # Errors
    ///
    /// When it is more than all of them.
    pub fn connections_per_tenant(&self) -> Result<Option<Connections>, ConfigError> {
        let Some(percent) = self.connections_per_tenant_percent else { return Ok(None) };
        let is_possible = percent.get() <= 100;
        is_possible
            .then(|| Some(Connections::percent(percent.get())))
            .ok_or(ConfigError::Connections)
    }

    /// How long a statement may take, of the tiers for which something is said.
    ///
    /// # Errors
    ///
    /// When one is no tier.
    pub fn statement_timeouts(&self) -> Result<Vec<(Tier, Duration)>, ConfigError> {
        let timeout = |(tier, millis): (&String, &NonZeroU64)| {
            let tier = TIERS.get(tier).ok_or(ConfigError::StatementTimeout)?;
            Ok((tier, Duration::from_millis(millis.get())))
        };
        self.statement_timeout_ms.iter().map(timeout).collect()
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

const fn twenty() -> NonZeroU32 {
    NonZeroU32::new(20).expect("20 is not zero")
}

const fn eighty() -> NonZeroU32 {
    NonZeroU32::new(80).expect("80 is not zero")
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("an address may be like 127.0.0.1:8080"))
}

fn maybe_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    address(deserializer).map(Some)
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
