//! What the tests talk to, started or found once for all of them.

use std::ffi::{OsStr, OsString};

use throwaway::{Collector, Error, Kafka, Postgres, PostgresVersion, Redis, tools};

use crate::{Failure, step::say};

/// The variable that leads to what measures the light tenant.
pub(crate) const K6: &str = "TENANTKIT_K6";

/// The servers, which stop when this is dropped, and the variables that lead tests to them.
#[derive(Default)]
pub(crate) struct Servers {
    postgres: Vec<Postgres>,
    redis: Option<Redis>,
    kafka: Option<Kafka>,
    collector: Option<Collector>,
    variables: Vec<(&'static str, OsString)>,
}

impl Servers {
    /// Starts servers and finds or makes tools, but for what the environment names already.
    ///
    /// # Errors
    ///
    /// When one cannot be had and `CI` is set, or one is broken. Without `CI`, tests say themselves
    /// that they are skipped for want of it.
    pub(crate) fn prepare() -> Result<Self, Failure> {
        let mut prepared = Self::default();
        for version in PostgresVersion::ALL {
            let variable = version.variable();
            say(&format!("a Postgres for the tests, unless {variable} names one"));
            if let Some(postgres) = need(variable, Postgres::from_env_or_start(version))? {
                prepared.variables.push((variable, postgres.admin_url().into()));
                prepared.postgres.push(postgres);
            }
        }
        say(&format!("a Redis for the tests, unless {} names one", Redis::VARIABLE));
        if let Some(redis) = need(Redis::VARIABLE, Redis::from_env_or_start())? {
            prepared.variables.push((Redis::VARIABLE, redis.url().into()));
            prepared.redis = Some(redis);
        }
        say(&format!("a Kafka for the tests, unless {} names one", Kafka::VARIABLE));
        if let Some(kafka) = need(Kafka::VARIABLE, Kafka::from_env_or_start())? {
            prepared.variables.push((Kafka::VARIABLE, kafka.brokers().into()));
            prepared.kafka = Some(kafka);
        }
        say(
            "PgBouncer, foreign gRPC and Kafka clients, a browser, k6, an OpenTelemetry Collector and promtool",
        );
        need("PgBouncer", tools::apt("pgbouncer", "pgbouncer"))?;
        need("kcat", tools::kcat())?;
        for (variable, tool) in [
            ("TENANTKIT_GRPCURL", tools::grpcurl()),
            ("TENANTKIT_PYTHON", tools::python()),
            ("TENANTKIT_CHROMIUM", tools::chromium()),
            ("TENANTKIT_COLLECTOR", tools::collector()),
            ("TENANTKIT_PROMTOOL", tools::promtool()),
            (K6, tools::k6()),
        ] {
            let tool = need(variable, tool)?;
            prepared.variables.extend(tool.map(|tool| (variable, tool.into())));
        }
        prepared.collector = need("an OpenTelemetry Collector", Collector::start())?;
        Ok(prepared)
    }

    /// What the tests tell that have no collector of their own.
    pub(crate) const fn collector(&self) -> Option<&Collector> {
        self.collector.as_ref()
    }

    /// Whether there is what this variable leads to.
    pub(crate) fn has(&self, variable: &str) -> bool {
        self.variables.iter().any(|(name, _)| *name == variable)
    }

    /// The variables for the environment of the tests.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        self.variables.iter().map(|(variable, value)| (*variable, value.as_os_str()))
    }
}

/// What was found, or nothing where the tests may go on without it.
fn need<T>(name: &str, found: Result<T, Error>) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(missing @ Error::Missing { .. }) if !tools::is_ci() => {
            say(&format!("goes on without {name}: {missing}"));
            Ok(None)
        }
        Err(error) => Err(format!("{name}: {error}").into()),
    }
}
