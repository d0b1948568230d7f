//! What a bound transaction costs, beside those that are not bound or bound otherwise.
//!
//! `cargo bench -p tenantkit-sqlx` prints the ratios; the server is one that is started for it, or
//! that of `DATABASE_URL`.
//!
//! The rival `tenaxum` 0.2 is built on sqlx 0.8, and so cannot share a pool with this crate. What is
//! raced is its way on sqlx 0.9: `begin`, `SELECT set_config($1, $2, true)`, the query, `commit`, on a
//! pool with sqlx's defaults.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

use criterion::{Criterion, criterion_group, criterion_main};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tenantkit_core::test_util::TestAuthority;
use tenantkit_sqlx::{TenantPool, rls};
use throwaway::{Database, Postgres, PostgresVersion};
use tokio::runtime::Runtime;

const TABLES: &str = "
    CREATE TABLE documents (
        tenant_id text NOT NULL, id bigint NOT NULL, title text NOT NULL,
        PRIMARY KEY (tenant_id, id));
    INSERT INTO documents
        SELECT tenant, id, 'title ' || id
        FROM unnest('{acme,globex}'::text[]) tenant, generate_series(1, 10000) id;
    CREATE TABLE plain (LIKE documents INCLUDING ALL);
    INSERT INTO plain SELECT * FROM documents;
    ANALYZE;";
const PLAIN: &str = "SELECT title FROM plain WHERE tenant_id = $1 AND id = $2";
const BOUND: &str = "SELECT title FROM documents WHERE id = $1";

struct Setting {
    _database: Database,
    url: String,
    authority: TestAuthority,
    runtime: Runtime,
}

impl Setting {
    fn new() -> Self {
        let postgres = Postgres::shared(PostgresVersion::System).unwrap();
        let database = postgres.fresh_database().unwrap();
        let serving = database.role("serving", "").unwrap();
        let protect = format!("SELECT tenantkit.protect('documents', '{serving}');");
        let sql = format!("{}{TABLES}{protect} GRANT SELECT ON plain TO {serving}", rls::MIGRATION);
        database.execute(sql).unwrap();
        let url = database.url(&serving);
        let runtime = Runtime::new().unwrap();
        Self { _database: database, url, authority: TestAuthority::new(), runtime }
    }

    fn plain(&self, test_before_acquire: bool) -> PgPool {
        let options =
            PgPoolOptions::new().max_connections(2).test_before_acquire(test_before_acquire);
        self.runtime.block_on(options.connect(&self.url)).unwrap()
    }

    fn bound(&self) -> TenantPool {
        let auditor = tenantkit_sqlx::catalog::Auditor::new().without_tenants("public.plain");
        let builder = TenantPool::builder(self.authority.authority())
            .options(|options| options.max_connections(2))
            .audit(auditor);
        self.runtime.block_on(builder.connect(&self.url)).unwrap()
    }
}

/// Begin, query by the primary key, commit.
fn transaction(criterion: &mut Criterion) {
    let setting = Setting::new();
    let mut group = criterion.benchmark_group("transaction");
    for (name, test_before_acquire) in [("plain", false), ("plain, sqlx's defaults", true)] {
        let pool = setting.plain(test_before_acquire);
        group.bench_function(name, |bencher| {
            bencher.to_async(&setting.runtime).iter(async || {
                let mut tx = pool.begin().await.unwrap();
                let title: String = sqlx::query_scalar(PLAIN)
                    .bind("acme")
                    .bind(7_i64)
                    .fetch_one(&mut *tx)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                title
            });
        });
    }
    let pool = setting.plain(true);
    group.bench_function("as tenaxum 0.2 does it", |bencher| {
        bencher.to_async(&setting.runtime).iter(async || {
            let mut tx = pool.begin().await.unwrap();
            sqlx::query("SELECT set_config($1, $2, true)")
                .bind("app.tenant_id")
                .bind("acme")
                .execute(&mut *tx)
                .await
                .unwrap();
            let title: String =
                sqlx::query_scalar(BOUND).bind(7_i64).fetch_one(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            title
        });
    });
    let (pool, acme) = (setting.bound(), setting.authority.context("acme"));
    group.bench_function("bound", |bencher| {
        bencher.to_async(&setting.runtime).iter(async || {
            let mut tx = pool.begin(&acme).await.unwrap();
            let title: String =
                sqlx::query_scalar(BOUND).bind(7_i64).fetch_one(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
            title
        });
    });
    group.bench_function("bound, dropped", |bencher| {
        bencher.to_async(&setting.runtime).iter(async || {
            let mut tx = pool.begin(&acme).await.unwrap();
            let title: String =
                sqlx::query_scalar(BOUND).bind(7_i64).fetch_one(&mut tx).await.unwrap();
            title
        });
    });
    group.finish();
}

/// One query inside an open transaction: with the policy, and with the `WHERE` that it stands for.
fn query(criterion: &mut Criterion) {
    let setting = Setting::new();
    let (pool, acme) = (setting.bound(), setting.authority.context("acme"));
    let mut group = criterion.benchmark_group("query");
    let mut tx = setting.runtime.block_on(pool.begin(&acme)).unwrap();
    group.bench_function("explicit WHERE", |bencher| {
        bencher.iter(|| {
            let found = sqlx::query_scalar(PLAIN).bind("acme").bind(7_i64).fetch_one(&mut tx);
            setting.runtime.block_on(found).map(|title: String| title).unwrap()
        });
    });
    group.bench_function("row-level security", |bencher| {
        bencher.iter(|| {
            let found = sqlx::query_scalar(BOUND).bind(7_i64).fetch_one(&mut tx);
            setting.runtime.block_on(found).map(|title: String| title).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, transaction, query);
criterion_main!(benches);
