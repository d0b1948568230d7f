//! What each of the two services believes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tenantkit::{
    Authority, AuthorityBuilder, BearerPolicy, BuildError, Capability, Envelopes, InvalidText,
    Jwks, KeyError, KeySet, MemoryDirectory, SigningKey, Text, TxnTokens,
    audit::{JsonLinesSink, Tee},
    limit::rate::TscClock,
};

use crate::{
    config::{Config, ConfigError, Kafka, TIERS},
    host::Host,
    telemetry::{Exports, OPERATORS},
};

/// What migrates the database. It is work of the service itself, which sees no tenant's rows.
pub const MIGRATE: Capability = Capability::system("migrate", Duration::from_secs(600));

/// Why a service has no authority.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A file that the configuration names cannot be read or written.
    #[error("{key}: cannot use {}: {source}", file.display())]
    File {
        /// The key of the configuration.
        key: &'static str,
        /// What it names.
        file: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// A file that the configuration names has no keys of the form that is needed.
    #[error("{key}: {source}")]
    Key {
        /// The key of the configuration.
        key: &'static str,
        /// What is wrong.
        source: KeyError,
    },
    /// A name is none.
    #[error("{key}: {source}")]
    Name {
        /// The key of the configuration.
        key: &'static str,
        /// What is wrong.
        source: InvalidText,
    },
    /// The tenants are not as they should be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something is missing or stands twice.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// The edge believes the identity provider, and mints tokens for the services behind it.
///
/// # Errors
///
/// Names the key of the configuration that is wrong.
pub fn edge(config: &Config) -> Result<Authority, AuthorityError> {
    edge_with(config, None)
}

/// The same, which tells the exports what it audits as well.
pub(crate) fn edge_with(
    config: &Config,
    exports: Option<&Exports>,
) -> Result<Authority, AuthorityError> {
    let edge = &config.edge;
    let issuer_keys = read("edge.issuer_keys", &edge.issuer_keys)?;
    let jwks = Jwks::parse(&issuer_keys).map_err(key("edge.issuer_keys"))?;
    let policy =
        BearerPolicy::new(&edge.issuer, &edge.audience).tenant_claim("tenant").asserts_any_tenant();
    let signing_key = read("edge.signing_key", &edge.signing_key)?;
    let signing_key = SigningKey::from_jwk(&signing_key).map_err(key("edge.signing_key"))?;
    let tokens = txn_tokens(config, "edge.workload", &edge.workload)?;
    let tokens = tokens.signing(signing_key).map_err(key("edge.signing_key"))?;

    let builder = base(config, "edge.audit_log", &edge.audit_log, exports)?
        .allow(OPERATORS)
        .bearer(jwks, policy)
        .txn_tokens(tokens)
        .corroborate(Host);
    Ok(builder.build()?)
}

/// The documents service believes tokens of the services, and mints none. It seals the records that it
/// publishes, and opens what the indexer consumes.
///
/// # Errors
///
/// Names the key of the configuration that is wrong.
pub fn documents(config: &Config) -> Result<Authority, AuthorityError> {
    documents_with(config, None)
}

/// The same, which tells the exports what it audits as well.
pub(crate) fn documents_with(
    config: &Config,
    exports: Option<&Exports>,
) -> Result<Authority, AuthorityError> {
    let tokens = txn_tokens(config, "documents.workload", &config.documents.workload)?;
    let audit_log = &config.documents.audit_log;
    let builder = base(config, "documents.audit_log", audit_log, exports)?;
    let builder = match &config.kafka {
        Some(kafka) => builder.envelopes(envelopes(config, kafka)?),
        None => builder,
    };
    Ok(builder.txn_tokens(tokens).allow(MIGRATE).build()?)
}

/// What both have: the tenants, and where the auditor looks.
fn base(
    config: &Config,
    key: &'static str,
    audit_log: &Path,
    exports: Option<&Exports>,
) -> Result<AuthorityBuilder, AuthorityError> {
    let file = audit_log.to_owned();
    let sink = JsonLinesSink::open(audit_log).map_err(|source| AuthorityError::File {
        key,
        file,
        source,
    })?;
    let directory = MemoryDirectory::new(config.records()?);
    // The limits read it several times for each request.
    let clock = TscClock::new();
    let builder = Authority::builder(TIERS).directory(directory).clock(clock);
    Ok(match exports {
        // What is exported is not durable: the file answers for what has to be.
        Some(exports) => builder.audit(Tee::new(exports.audit(), sink)),
        None => builder.audit(sink),
    })
}

fn txn_tokens(
    config: &Config,
    workload_key: &'static str,
    workload: &str,
) -> Result<TxnTokens, AuthorityError> {
    let keys = read("txn_keys", &config.txn_keys)?;
    let keys = KeySet::parse(&keys).map_err(key("txn_keys"))?;
    Text::new(workload)
        .map_err(|source| AuthorityError::Name { key: workload_key, source })
        .and_then(|workload| {
            TxnTokens::new(&config.trust_domain, &workload, keys)
                .map_err(|source| AuthorityError::Name { key: "trust_domain", source })
        })
}

fn envelopes(config: &Config, kafka: &Kafka) -> Result<Envelopes, AuthorityError> {
    let keys = read("kafka.envelope_keys", &kafka.envelope_keys)?;
    let keys = KeySet::parse(&keys).map_err(key("kafka.envelope_keys"))?;
    let signing_key = read("kafka.signing_key", &kafka.signing_key)?;
    let signing_key = SigningKey::from_jwk(&signing_key).map_err(key("kafka.signing_key"))?;
    let envelopes = Envelopes::new(&config.trust_domain, &config.documents.workload, keys)
        // The workload is good: the tokens have it as well.
        .map_err(|source| AuthorityError::Name { key: "trust_domain", source })?;
    envelopes.signing(signing_key).map_err(key("kafka.signing_key"))
}

fn read(key: &'static str, file: &Path) -> Result<String, AuthorityError> {
    fs::read_to_string(file).map_err(|source| AuthorityError::File {
        key,
        file: file.to_owned(),
        source,
    })
}

fn key(key: &'static str) -> impl FnOnce(KeyError) -> AuthorityError {
    move |source| AuthorityError::Key { key, source }
}
