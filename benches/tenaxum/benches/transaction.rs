//! A bound transaction of `tenantkit-sqlx` against those of `tenaxum` 0.2, through its own API.
//!
//! `cargo bench --manifest-path benches/tenaxum/Cargo.toml` starts a Postgres, or takes that of
//! `DATABASE_URL`, and prints one table for a server on the same machine and one for a server behind
//! a link of 1 ms each way. Each way is: begin, one row by its key, commit, by the same role on a
//! warm pool of its own. `tenaxum` and we read the same table under the same policy; the plain ones
//! read a copy without any, with the `WHERE` that the policy stands for.
//!
//! The ways take turns in many short rounds, and a time is that of the fastest tenth of them: what else
//! runs on the machine disturbs the others. The round trips are all those of a transaction, also the
//! ones after the caller has its answer.

use std::{
    thread,
    time::{Duration, Instant},
};

use sqlx::postgres::PgPoolOptions;
use sqlx_08::postgres::PgPoolOptions as PgPoolOptions08;
use tenantkit_core::test_util::TestAuthority;
use tenantkit_sqlx::{TenantPool, catalog::Auditor, rls};
use tenaxum::{PgPoolExt, TenantId, pool as hooks};
use throwaway::{Postgres, PostgresVersion, Proxy};
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
const ID: i64 = 7;
const TITLE: &str = "title 7";

const SESSIONS: u32 = 2;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let postgres = Postgres::shared(PostgresVersion::System)?;
    let database = postgres.fresh_database()?;
    let serving = database.role("serving", "")?;
    let protect = format!("SELECT tenantkit.protect('documents', '{serving}');");
    let grant = format!("GRANT SELECT ON plain TO {serving}");
    database.execute(format!("{}{TABLES}{protect}{grant}", rls::MIGRATION))?;

    let runtime = Runtime::new()?;
    println!("Postgres on the same machine:");
    let ways = ways(&runtime, &database.url(&serving))?;
    race(&ways, 400, 20, None)?;

    println!("\nPostgres behind a link of 1 ms each way:");
    let link = Proxy::start(postgres.address()?)?;
    let ways = self::ways(&runtime, &database.url_through(&link, &serving))?;
    link.set_delay(Duration::from_millis(1));
    race(&ways, 50, 5, Some(&link))
}

/// One way to read a row in a transaction.
struct Way<'a> {
    name: &'static str,
    /// So many transactions, one after another: what one took.
    run: Box<dyn Fn(u32) -> Result<Duration, Failure> + 'a>,
}

impl<'a> Way<'a> {
    fn new(
        name: &'static str,
        runtime: &'a Runtime,
        once: impl AsyncFn() -> Result<String, Failure> + 'a,
    ) -> Self {
        let run = move |transactions| {
            runtime.block_on(async {
                let started = Instant::now();
                for _ in 0..transactions {
                    assert_eq!(once().await?, TITLE);
                }
                Ok(started.elapsed() / transactions)
            })
        };
        Self { name, run: Box::new(run) }
    }
}

/// Each on a pool of its own. "Untested" is `test_before_acquire(false)`, which ours says as well.
fn ways<'a>(runtime: &'a Runtime, url: &str) -> Result<Vec<Way<'a>>, Failure> {
    let sqlx_08 = |tested| {
        let options = PgPoolOptions08::new().max_connections(SESSIONS);
        runtime.block_on(options.test_before_acquire(tested).connect(url))
    };
    let plain = PgPoolOptions::new().max_connections(SESSIONS).test_before_acquire(false);
    let plain = runtime.block_on(plain.connect(url))?;
    let plain = async move || {
        let mut tx = plain.begin().await?;
        let title = sqlx::query_scalar(PLAIN).bind("acme").bind(ID).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(title)
    };

    let pool = sqlx_08(false)?;
    let plain_08 = async move || {
        let mut tx = pool.begin().await?;
        let title = sqlx_08::query_scalar(PLAIN).bind("acme").bind(ID).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(title)
    };

    let begin_tenant = |pool: sqlx_08::PgPool| {
        let tenant = TenantId::new("acme");
        async move || {
            let mut tx = pool.begin_tenant(&tenant).await?;
            let title = sqlx_08::query_scalar(BOUND).bind(ID).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            Ok(title)
        }
    };

    let options = PgPoolOptions08::new().max_connections(SESSIONS);
    let pool = runtime.block_on(hooks::with_tenant_hooks(options).connect(url))?;
    let tenant = TenantId::new("acme");
    let hooked = async move || {
        let transaction = async {
            let mut tx = pool.begin().await?;
            let title = sqlx_08::query_scalar(BOUND).bind(ID).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            Ok(title)
        };
        hooks::scope_tenant(tenant.clone(), transaction).await
    };

    let authority = TestAuthority::new();
    let pool = TenantPool::builder(authority.authority())
        .options(|options| options.max_connections(SESSIONS))
        .audit(Auditor::new().without_tenants("public.plain"));
    let (pool, acme) = (runtime.block_on(pool.connect(url))?, authority.context("acme"));
    let bound = async move || {
        let mut tx = pool.begin(&acme).await?;
        let title = sqlx::query_scalar(BOUND).bind(ID).fetch_one(&mut tx).await?;
        tx.commit().await?;
        Ok(title)
    };

    Ok(vec![
        Way::new("plain, sqlx 0.9, untested", runtime, plain),
        Way::new("plain, sqlx 0.8, untested", runtime, plain_08),
        Way::new("tenaxum, begin_tenant", runtime, begin_tenant(sqlx_08(true)?)),
        Way::new("tenaxum, begin_tenant, untested", runtime, begin_tenant(sqlx_08(false)?)),
        Way::new("tenaxum, pool hooks", runtime, hooked),
        Way::new("tenantkit-sqlx, bound", runtime, bound),
    ])
}

/// All ways in turns, so many transactions a round, and the table of what one took.
fn race(
    ways: &[Way<'_>],
    rounds: usize,
    transactions: u32,
    link: Option<&Proxy>,
) -> Result<(), Failure> {
    let round_trips = || link.map_or(0, Proxy::round_trips);
    let mut took = vec![Vec::with_capacity(rounds); ways.len()];
    let mut trips = vec![0; ways.len()];
    // The first round is for connections and for statements to be prepared.
    for round in 0..=rounds {
        for (index, way) in ways.iter().enumerate() {
            let before = round_trips();
            let once = (way.run)(transactions)?;
            // The last session is on its way back to its pool.
            thread::sleep(Duration::from_millis(10));
            if round > 0 {
                took[index].push(once);
                trips[index] += round_trips() - before;
            }
        }
    }
    let fastest = took.iter_mut().map(|took| {
        took.sort_unstable();
        took[rounds / 10].as_secs_f64() * 1e6
    });
    let fastest: Vec<f64> = fastest.collect();
    let ours = fastest.last().copied().unwrap_or_default();
    println!("{:<34}{:>10}{:>12}{:>14}", "", "time", "ours / it", "round trips");
    for (index, way) in ways.iter().enumerate() {
        let trips = trips[index] as f64 / (f64::from(transactions) * rounds as f64);
        let (took, ratio) = (fastest[index], ours / fastest[index]);
        println!("{:<34}{took:>7.1} µs{ratio:>12.2}{trips:>14.1}", way.name);
    }
    Ok(())
}
