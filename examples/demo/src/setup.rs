//! What a world is like.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use serde_json::Value;
use throwaway::{Collector, Postgres, PostgresVersion};

use crate::{
    AUDIENCE, EDGE_WORKLOAD, Failed, ISSUER, TRUST_DOMAIN,
    kafka::{Brokers, Kafka},
};

/// What a world is like, where it is not as usual.
#[derive(Debug, Default)]
pub struct Setup {
    pub(crate) postgres: Option<&'static Postgres>,
    pub(crate) idp_keys: Vec<Value>,
    pub(crate) log: Option<String>,
    pub(crate) limits: Option<String>,
    pub(crate) kafka: Option<Brokers>,
    pub(crate) telemetry: Option<String>,
    own_postgres: bool,
    tenants: Vec<String>,
    max_connections: Option<u32>,
}

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) edge: SocketAddr,
    pub(crate) documents: SocketAddr,
    pub(crate) page: SocketAddr,
    pub(crate) serving_url: String,
    pub(crate) owner_url: String,
}

impl Setup {
    /// On a server that others use as well.
    #[must_use]
    pub fn on(self, postgres: &'static Postgres) -> Self {
        Self { postgres: Some(postgres), ..self }
    }

    /// On a server that can be stopped, whatever the environment says.
    #[must_use]
    pub fn on_its_own_postgres(self) -> Self {
        Self { own_postgres: true, ..self }
    }

    /// With these tenants as well, of tier silver.
    #[must_use]
    pub fn tenants(self, tenants: impl IntoIterator<Item = String>) -> Self {
        Self { tenants: tenants.into_iter().collect(), ..self }
    }

    /// With so many connections to the database at most.
    #[must_use]
    pub fn max_connections(self, connections: u32) -> Self {
        Self { max_connections: Some(connections), ..self }
    }

    /// With an identity provider that has another public key, a JWK.
    #[must_use]
    pub fn idp_key(mut self, jwk: Value) -> Self {
        self.idp_keys.push(jwk);
        self
    }

    /// With limits, by this document.
    #[must_use]
    pub fn limits(self, document: &str) -> Self {
        Self { limits: Some(document.to_owned()), ..self }
    }

    /// With a Kafka, and so with a search.
    #[must_use]
    pub fn kafka(self, brokers: Brokers) -> Self {
        Self { kafka: Some(brokers), ..self }
    }

    /// With telemetry, by these lines of the configuration, and the built-in page.
    #[must_use]
    pub fn telemetry(self, lines: &str) -> Self {
        Self { telemetry: Some(lines.to_owned()), ..self }
    }

    /// With an acmedocs that logs what passes `filter`, to a file.
    #[must_use]
    pub fn log(self, filter: &str) -> Self {
        Self { log: Some(filter.to_owned()), ..self }
    }

    pub(crate) fn own_postgres(&self) -> Result<Option<Postgres>, Failed> {
        let version = PostgresVersion::System;
        match (self.postgres, self.own_postgres) {
            (Some(_), _) => Ok(None),
            (None, true) => Ok(Some(Postgres::start(version)?)),
            (None, false) => Ok(Some(Postgres::from_env_or_start(version)?)),
        }
    }

    /// The configuration of acmedocs.
    pub(crate) fn config(
        &self,
        folder: &Path,
        addresses: &Addresses,
        kafka: Option<&Kafka>,
    ) -> String {
        let Addresses { edge, documents, page, serving_url, owner_url } = addresses;
        let limits = self.limits.as_ref().map_or("", |_| "limits = \"limits.toml\"\n");
        let mut config = format!(
            r#"{limits}trust_domain = "{TRUST_DOMAIN}"
txn_keys = "{folder}/services.jwks"

[edge]
listen = "{edge}"
audit_log = "{folder}/edge-audit.jsonl"
workload = "{EDGE_WORKLOAD}"
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
issuer_keys = "{folder}/idp.jwks"
signing_key = "{folder}/edge.jwk"
documents_url = "http://{documents}"

[documents]
listen = "{documents}"
audit_log = "{folder}/documents-audit.jsonl"
workload = "documents"
database_url = "{serving_url}"
owner_url = "{owner_url}"
max_connections = {max_connections}

[tenants]
acme = {{ tier = "gold" }}
globex = {{ tier = "bronze" }}
initech = {{ tier = "bronze", suspended = true }}
"#,
            folder = folder.display(),
            max_connections = self.max_connections.unwrap_or(16),
        );
        for tenant in &self.tenants {
            // A string takes whatever is written to it.
            let _ = writeln!(config, r#"{tenant} = {{ tier = "silver" }}"#);
        }
        let page = self.telemetry.as_ref().map(|lines| format!("page = \"{page}\"\n{lines}\n"));
        // What tells nobody else tells the collector of all tests, where there is one.
        let mut telemetry = page.unwrap_or_default();
        if !telemetry.contains("collector =")
            && let Some(url) = Collector::named()
        {
            let _ = writeln!(telemetry, "collector = \"{url}\"");
        }
        if !telemetry.is_empty() {
            let _ = writeln!(config, "[telemetry]\n{telemetry}");
        }
        config.extend(kafka.map(|kafka| kafka.config(folder)));
        config
    }
}
