//! A database with two tenants' documents, and pools on it.

use std::{
    env,
    io::{self, Write as _},
    sync::Once,
};

use sqlx::{PgPool, postgres::PgPoolOptions};
use tenantkit_core::{Authority, TenantContext, test_util::TestAuthority};
use tenantkit_sqlx::{TenantConn, TenantPool, TenantPoolBuilder, rls};
use throwaway::{Database, Postgres, PostgresVersion, Proxy};

/// Runs a test on every server there is.
macro_rules! on_each_server {
    ($($(#[$attribute:meta])* async fn $name:ident($fixture:ident: &Fixture) $body:block)+) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            async fn test($fixture: &$crate::postgres::fixture::Fixture) $body
            $crate::postgres::fixture::each(&async |fixture| test(fixture).await);
        }
    )+};
}
pub(crate) use on_each_server;

pub(crate) fn each(test: &impl AsyncFn(&Fixture)) {
    let mut versions = vec![PostgresVersion::System];
    if env::var_os(PostgresVersion::V18.variable()).is_some() {
        versions.push(PostgresVersion::V18);
    } else {
        tell_that_18_is_missing();
    }
    for version in versions {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let fixture = Fixture::new(Postgres::shared(version).unwrap());
        runtime.block_on(test(&fixture));
    }
}

/// Once, and past what the harness captures of a test that passes.
fn tell_that_18_is_missing() {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        let variable = PostgresVersion::V18.variable();
        let _ = writeln!(io::stderr(), "{variable} is not set: nothing is tested on Postgres 18");
    });
}

pub(crate) struct Fixture {
    pub(crate) server: &'static Postgres,
    pub(crate) database: Database,
    pub(crate) serving: String,
    pub(crate) authority: TestAuthority,
}

/// One document of `acme`, and one of `globex`.
const DOCUMENTS: &str = "
    CREATE TABLE documents (
        tenant_id text NOT NULL, id bigint NOT NULL, title text NOT NULL,
        PRIMARY KEY (tenant_id, id));
    INSERT INTO documents VALUES ('acme', 1, 'plan'), ('globex', 1, 'plot');";

impl Fixture {
    pub(crate) fn new(server: &'static Postgres) -> Self {
        let database = server.fresh_database().unwrap();
        let serving = database.role("serving", "").unwrap();
        let protect = format!("SELECT tenantkit.protect('documents', '{serving}')");
        database.execute(format!("{}{DOCUMENTS}{protect}", rls::MIGRATION)).unwrap();
        Self { server, database, serving, authority: TestAuthority::new() }
    }

    /// On the server that is always there.
    pub(crate) fn system() -> Self {
        Self::new(Postgres::shared(PostgresVersion::System).unwrap())
    }

    pub(crate) fn authority(&self) -> &Authority {
        self.authority.authority()
    }

    pub(crate) fn acme(&self) -> TenantContext {
        self.authority.context("acme")
    }

    pub(crate) fn globex(&self) -> TenantContext {
        self.authority.context("globex")
    }

    /// A pool of one connection, so that whatever is left behind is found by the next borrower.
    pub(crate) async fn pool(&self) -> TenantPool {
        self.builder(1).connect(&self.database.url(&self.serving)).await.unwrap()
    }

    pub(crate) fn builder(&self, connections: u32) -> TenantPoolBuilder {
        TenantPool::builder(self.authority())
            .options(|options| options.max_connections(connections))
    }

    /// A link to the server, and a pool of one connection over it.
    pub(crate) async fn over_link(&self) -> (Proxy, TenantPool) {
        let link = Proxy::start(self.server.address().unwrap()).unwrap();
        let url = self.database.url_through(&link, &self.serving);
        let pool = self.builder(1).connect(&url).await.unwrap();
        (link, pool)
    }

    /// What a superuser sees.
    pub(crate) async fn admin(&self) -> PgPool {
        PgPoolOptions::new().max_connections(1).connect(&self.database.admin_url()).await.unwrap()
    }

    /// Waits until the serving role has no transaction open, which is soon or never.
    pub(crate) async fn no_transaction_is_open(&self, admin: &PgPool) {
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let open: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND xact_start IS NOT NULL",
            )
            .bind(&self.serving)
            .fetch_one(admin)
            .await
            .unwrap();
            if open == 0 {
                return;
            }
            assert!(std::time::Instant::now() < patience, "{open} transactions stay open");
        }
    }
}

/// Waits until the pool has back all that it has lent.
pub(crate) async fn all_are_idle(pool: &TenantPool) {
    while pool.idle() < pool.size() as usize {
        tokio::task::yield_now().await;
    }
}

/// The server process that has this transaction.
pub(crate) async fn pid(conn: &mut TenantConn) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(conn).await.unwrap()
}
