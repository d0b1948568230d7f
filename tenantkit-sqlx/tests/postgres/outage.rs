//! Postgres is down, restarted, slow, or busy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{FutureExt, TryStreamExt};

use sqlx::{PgPool, postgres::PgPoolOptions};
use tenantkit_core::{Reason, RefusalCode};
use tenantkit_sqlx::{Error, TenantPool};
use throwaway::{Postgres, PostgresVersion, Proxy};

use super::fixture::{Fixture, all_are_idle, on_each_server};

fn is_unavailable(error: &Error) {
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.reason(), Reason::DependencyUnavailable);
    assert_eq!(refusal.code(), RefusalCode::Overloaded);
    assert!(refusal.wait().is_some());
}

/// Ends the server's processes of which that is true.
async fn end<'q>(
    admin: &PgPool,
    condition: &str,
    value: impl sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + 'q,
) -> sqlx::Result<()> {
    let sql =
        format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {condition}");
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(value).execute(admin).await.map(drop)
}

async fn once(pool: &TenantPool, fixture: &Fixture) -> Result<(), Error> {
    let mut tx = pool.begin(&fixture.acme()).await?;
    sqlx::query("SELECT title FROM documents").fetch_all(&mut tx).await?;
    tx.commit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_may_restart_under_load_and_the_pool_recovers_by_itself() {
    // Its own, because it is stopped.
    let server: &'static Postgres =
        Box::leak(Box::new(Postgres::start(PostgresVersion::System).unwrap()));
    let fixture = Fixture::new(server);
    let options = |options: PgPoolOptions| {
        options.max_connections(4).acquire_timeout(Duration::from_millis(500))
    };
    let pool = TenantPool::builder(fixture.authority())
        .options(options)
        .connect(&fixture.database.url(&fixture.serving))
        .await
        .unwrap();
    let load = async || {
        let all = (0..8).map(|_| once(&pool, &fixture));
        futures_util::future::join_all(all).await
    };
    for result in load().await {
        result.unwrap();
    }
    let under_load = tokio::spawn({
        let pool = pool.clone();
        let acme = fixture.acme();
        async move {
            let mut tx = pool.begin(&acme).await?;
            sqlx::query("SELECT pg_sleep(60)").execute(&mut tx).await?;
            tx.commit().await
        }
    });
    while pool.idle() == 4 {
        tokio::task::yield_now().await;
    }
    server.stop().unwrap();
    is_unavailable(&under_load.await.unwrap().unwrap_err());
    for result in load().await {
        is_unavailable(&result.unwrap_err());
    }
    server.restart().unwrap();
    // Found out by whoever comes a moment after the last attempt.
    let patience = std::time::Instant::now() + Duration::from_secs(10);
    while once(&pool, &fixture).await.is_err() {
        assert!(std::time::Instant::now() < patience, "it does not recover");
        tokio::task::yield_now().await;
    }
    for result in load().await {
        result.unwrap();
    }
    assert!(pool.size() <= 4);
    server.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgres_is_down_nobody_waits_and_few_ask() {
    // Its own, because it is stopped.
    let server: &'static Postgres =
        Box::leak(Box::new(Postgres::start(PostgresVersion::System).unwrap()));
    let fixture = Fixture::new(server);
    let link = Proxy::start(server.address().unwrap()).unwrap();
    // Who waits out this patience fails the test.
    let options = |options: PgPoolOptions| {
        options.max_connections(4).acquire_timeout(Duration::from_secs(600))
    };
    let pool = TenantPool::builder(fixture.authority()).options(options);
    let direct = pool.clone().connect(&fixture.database.url(&fixture.serving)).await.unwrap();
    let linked =
        pool.connect(&fixture.database.url_through(&link, &fixture.serving)).await.unwrap();
    let patience = Duration::from_secs(60);
    let refused = async |pool: &TenantPool, requests| {
        let all = futures_util::future::join_all((0..requests).map(|_| once(pool, &fixture)));
        for result in tokio::time::timeout(patience, all).await.expect("it waits") {
            is_unavailable(&result.unwrap_err());
        }
    };
    server.stop().unwrap();
    for pool in [&direct, &linked] {
        refused(pool, 8).await;
        let asked = link.connections();
        refused(pool, 200).await;
        // At most once a second, and on a busy machine all of them take a few.
        assert!(link.connections() <= asked + 20, "each of them asks");
    }

    server.restart().unwrap();
    let recovered = async {
        for pool in [&direct, &linked] {
            while once(pool, &fixture).await.is_err() {
                tokio::task::yield_now().await;
            }
            let all = futures_util::future::join_all((0..20).map(|_| once(pool, &fixture)));
            for result in all.await {
                result.unwrap();
            }
        }
    };
    tokio::time::timeout(patience, recovered).await.expect("it does not recover");
    server.stop().unwrap();
}

on_each_server! {
    async fn a_pool_that_is_busy_for_long_is_not_taken_for_an_outage(fixture: &Fixture) {
        // Long enough that somebody looks whether the server is there.
        let options = |options: PgPoolOptions| {
            options.max_connections(1).acquire_timeout(Duration::from_millis(600))
        };
        let pool = TenantPool::builder(fixture.authority())
            .options(options)
            .connect(&fixture.database.url(&fixture.serving))
            .await
            .unwrap();
        let held = pool.begin(&fixture.acme()).await.unwrap();
        let busy = pool.begin(&fixture.globex()).await.unwrap_err();
        assert!(matches!(busy, Error::Unavailable(sqlx::Error::PoolTimedOut)), "{busy:?}");
        drop(held);
        once(&pool, fixture).await.unwrap();
    }

    async fn while_all_is_well_nobody_looks_whether_there_is_a_server(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        let url = fixture.database.url_through(&link, &fixture.serving);
        let pool = fixture.builder(8).connect(&url).await.unwrap();
        all_are_idle(&pool).await;
        let acme = fixture.acme();
        let size = pool.size();
        let held = futures_util::future::join_all((0..size).map(|_| pool.begin(&acme))).await;
        let connections = link.connections();
        let _one_more = pool.begin(&acme).await.unwrap();
        assert_eq!(link.connections(), connections + 1);
        drop(held);
    }

    async fn one_connection_too_many_is_no_outage(fixture: &Fixture) {
        let admin = fixture.admin().await;
        // Long enough that somebody looks whether the server is there, and is told the same.
        let options = |options: PgPoolOptions| {
            options.max_connections(8).acquire_timeout(Duration::from_millis(800))
        };
        let pool = TenantPool::builder(fixture.authority())
            .options(options)
            .connect(&fixture.database.url(&fixture.serving))
            .await
            .unwrap();
        all_are_idle(&pool).await;
        let acme = fixture.acme();
        let size = pool.size();
        let held = futures_util::future::join_all((0..size).map(|_| pool.begin(&acme))).await;
        let limit = format!("ALTER ROLE {} CONNECTION LIMIT {size}", fixture.serving);
        sqlx::query(sqlx::AssertSqlSafe(limit)).execute(&admin).await.unwrap();
        let refused = pool.begin(&fixture.globex()).await.unwrap_err();
        assert!(matches!(refused, Error::Unavailable(sqlx::Error::PoolTimedOut)), "{refused:?}");
        drop(held);
        all_are_idle(&pool).await;
        once(&pool, fixture).await.unwrap();
    }

    async fn what_dies_at_each_attempt_is_not_tried_for_ever(fixture: &Fixture) {
        let admin = fixture.admin().await;
        let (kills, killed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let options = |options: PgPoolOptions| {
            let (admin, kills, killed) = (admin.clone(), Arc::clone(&kills), Arc::clone(&killed));
            // Who waits out this patience fails the test.
            options.max_connections(3).acquire_timeout(Duration::from_secs(600)).after_connect(
                move |connection, _| {
                    let (admin, kills, killed) =
                        (admin.clone(), Arc::clone(&kills), Arc::clone(&killed));
                    Box::pin(async move {
                        if !kills.load(SeqCst) {
                            return Ok(());
                        }
                        killed.fetch_add(1, SeqCst);
                        let pid: i32 =
                            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await?;
                        end(&admin, "pid = $1", pid).await
                    })
                },
            )
        };
        let pool = TenantPool::builder(fixture.authority())
            .options(options)
            .connect(&fixture.database.url(&fixture.serving))
            .await
            .unwrap();
        let acme = fixture.acme();
        drop((pool.begin(&acme).await.unwrap(), pool.begin(&acme).await.unwrap()));
        while pool.idle() < 2 {
            tokio::task::yield_now().await;
        }
        kills.store(true, SeqCst);
        end(&admin, "usename = $1", &fixture.serving).await.unwrap();
        let begun = tokio::time::timeout(Duration::from_secs(60), pool.begin(&acme)).await;
        let refused = begun.expect("it goes on").unwrap_err();
        is_unavailable(&refused);
        assert_eq!(refused.sqlstate(), Some("57P01"));
        // Each of the two that were dead, and one that was new.
        assert_eq!(killed.load(SeqCst), 1);
        kills.store(false, SeqCst);
        once(&pool, fixture).await.unwrap();
    }

    async fn a_rollback_over_a_link_that_broke_says_so(fixture: &Fixture) {
        let (link, pool) = fixture.over_link().await;
        let tx = pool.begin(&fixture.acme()).await.unwrap();
        link.cut();
        is_unavailable(&tx.rollback().await.unwrap_err());

        // Also where rows are still to come.
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let mut rows = sqlx::query("SELECT generate_series(1, 1000000)").fetch(&mut tx);
        rows.try_next().await.unwrap().unwrap();
        drop(rows);
        link.cut();
        is_unavailable(&tx.rollback().await.unwrap_err());

        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let savepoint = tx.savepoint().await.unwrap();
        link.cut();
        is_unavailable(&savepoint.rollback().await.unwrap_err());
    }

    async fn dead_connections_are_replaced_and_nobody_notices(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        let url = fixture.database.url_through(&link, &fixture.serving);
        let pool = fixture.builder(3).connect(&url).await.unwrap();
        let acme = fixture.acme();
        let all = (0..3).map(|_| pool.begin(&acme).map(Result::unwrap));
        drop(futures_util::future::join_all(all).await);
        while pool.idle() < 3 {
            tokio::task::yield_now().await;
        }
        link.cut();
        once(&pool, fixture).await.unwrap();
        once(&pool, fixture).await.unwrap();
    }

    async fn a_wrong_name_is_no_outage(fixture: &Fixture) {
        let url = fixture.database.url(&fixture.serving).replace(fixture.database.name(), "none");
        let refused = fixture.builder(1).connect(&url).await.unwrap_err();
        assert_eq!((refused.sqlstate(), refused.refusal()), (Some("3D000"), None));
    }

    async fn a_pool_with_nothing_free_says_when_to_come_back(fixture: &Fixture) {
        let options = |options: PgPoolOptions| {
            options.max_connections(1).acquire_timeout(Duration::from_millis(50))
        };
        let pool = TenantPool::builder(fixture.authority())
            .options(options)
            .connect(&fixture.database.url(&fixture.serving))
            .await
            .unwrap();
        let held = pool.begin(&fixture.acme()).await.unwrap();
        is_unavailable(&pool.begin(&fixture.globex()).await.unwrap_err());
        drop(held);
        once(&pool, fixture).await.unwrap();
    }

    async fn a_server_that_is_silent_is_known_to_be_down_before_all_patience_is_lost(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        // Who waits out this patience fails the test.
        let options = |options: PgPoolOptions| {
            options.max_connections(2).acquire_timeout(Duration::from_secs(600))
        };
        let pool = TenantPool::builder(fixture.authority())
            .options(options)
            .connect(&fixture.database.url_through(&link, &fixture.serving))
            .await
            .unwrap();
        once(&pool, fixture).await.unwrap();
        link.set_delay(Duration::from_secs(600));
        let patience = Duration::from_secs(60);
        let refused = async |requests| {
            let all = futures_util::future::join_all((0..requests).map(|_| once(&pool, fixture)));
            for result in tokio::time::timeout(patience, all).await.expect("it waits") {
                let refused = result.unwrap_err();
                is_unavailable(&refused);
                let Error::Unavailable(sqlx::Error::Io(why)) = &refused else {
                    panic!("{refused:?}");
                };
                assert_eq!(why.kind(), std::io::ErrorKind::TimedOut);
            }
        };
        // Those that have a connection, those that open one, and those that wait for one.
        refused(6).await;
        let asked = link.connections();
        refused(50).await;
        // At most once a second, and on a busy machine all of them take a few.
        assert!(link.connections() <= asked + 20, "each of them asks");
        link.set_delay(Duration::ZERO);
        link.cut();
        let recovered = async {
            while once(&pool, fixture).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(patience, recovered).await.expect("it does not recover");
    }

    async fn a_server_that_does_not_answer_is_not_waited_for_without_end(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        let options = |options: PgPoolOptions| {
            options.max_connections(1).acquire_timeout(Duration::from_millis(200))
        };
        let pool = TenantPool::builder(fixture.authority())
            .options(options)
            .connect(&fixture.database.url_through(&link, &fixture.serving))
            .await
            .unwrap();
        once(&pool, fixture).await.unwrap();
        while pool.idle() == 0 {
            tokio::task::yield_now().await;
        }
        link.set_delay(Duration::from_secs(60));
        let patience = Duration::from_secs(30);
        let begun = tokio::time::timeout(patience, pool.begin(&fixture.acme())).await;
        is_unavailable(&begun.unwrap().unwrap_err());
        link.set_delay(Duration::ZERO);
        link.cut();
        once(&pool, fixture).await.unwrap();
    }
}
