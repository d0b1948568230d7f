//! A future that is dropped at any poll leaves nothing behind.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tenantkit_core::TenantContext;
use tenantkit_sqlx::{Error, Savepoint, StatementRefused, TenantPool};

use super::fixture::{Fixture, on_each_server, pid};

/// Polls a future at most so often, and then drops it.
pub(super) async fn polled<F: Future>(future: F, mut times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(None);
        }
        times -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if times == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Everything that a transaction can do.
pub(super) async fn everything(
    pool: &TenantPool,
    tenant: &TenantContext,
    id: i64,
) -> Result<(), Error> {
    let mut tx = pool.begin(tenant).await?;
    let insert = "INSERT INTO documents (id, title) VALUES ($1, $2)";
    sqlx::query(insert).bind(id).bind("outer").execute(&mut tx).await?;
    let mut kept = tx.savepoint().await?;
    sqlx::query(insert).bind(id + 1).bind("kept").execute(&mut kept).await?;
    kept.release().await?;
    let mut undone = tx.savepoint().await?;
    sqlx::query(insert).bind(id + 2).bind("undone").execute(&mut undone).await?;
    undone.rollback().await?;
    let dropped = tx.savepoint().await?;
    drop(dropped);
    sqlx::query("SELECT count(*) FROM documents").fetch_all(&mut tx).await?;
    tx.commit().await
}

/// The next borrower finds its own binding, its own rows and a transaction in order.
async fn nothing_is_left(fixture: &Fixture, pool: &TenantPool) {
    let mut tx = pool.begin(&fixture.globex()).await.unwrap();
    let (bound, titles): (String, Vec<String>) =
        sqlx::query_as("SELECT current_setting('app.tenant_id'), array_agg(title) FROM documents")
            .fetch_one(&mut tx)
            .await
            .unwrap();
    tx.commit().await.unwrap();
    assert_eq!((&*bound, &*titles), ("globex", ["plot".to_owned()].as_slice()));
}

on_each_server! {
    async fn a_drop_at_any_poll_leaves_no_tenant_behind(fixture: &Fixture) {
        let (link, pool) = fixture.over_link().await;
        link.set_delay(Duration::from_millis(1));
        let admin = fixture.admin().await;
        for polls in 0.. {
            let id = 1_000 + 10 * polls;
            let finished = polled(everything(&pool, &fixture.acme(), id), polls as usize).await;
            nothing_is_left(fixture, &pool).await;
            fixture.no_transaction_is_open(&admin).await;
            let saved: Vec<(String, String)> =
                sqlx::query_as("SELECT tenant_id, title FROM documents WHERE id >= $1 ORDER BY id")
                    .bind(id)
                    .fetch_all(&admin)
                    .await
                    .unwrap();
            let saved: Vec<_> = saved.iter().map(|(a, b)| (&**a, &**b)).collect();
            let whole = [("acme", "outer"), ("acme", "kept")];
            // All of it or nothing, also where the commit was under way.
            assert!(saved.is_empty() || saved == whole, "after {polls} polls: {saved:?}");
            if let Some(result) = finished {
                result.unwrap();
                assert_eq!(saved, whole);
                assert!(polls > 12, "polled only {polls} times");
                break;
            }
        }
    }

    async fn a_savepoint_that_is_dropped_at_any_poll_is_undone_and_kills_nothing(fixture: &Fixture) {
        let (link, pool) = fixture.over_link().await;
        link.set_delay(Duration::from_millis(1));
        let insert = "INSERT INTO documents (id, title) VALUES ($1, $2)";
        for polls in 0.. {
            let mut tx = pool.begin(&fixture.acme()).await.unwrap();
            let outer = pid(&mut tx).await;
            sqlx::query(insert).bind(10_i64).bind("before").execute(&mut tx).await.unwrap();
            let inner = async {
                let mut savepoint = tx.savepoint().await?;
                sqlx::query(insert).bind(11_i64).bind("inner").execute(&mut savepoint).await?;
                let mut nested: Savepoint<'_> = savepoint.savepoint().await?;
                sqlx::query(insert).bind(12_i64).bind("nested").execute(&mut nested).await?;
                nested.release().await?;
                savepoint.release().await
            };
            let finished = polled(inner, polls).await;
            sqlx::query(insert).bind(13_i64).bind("after").execute(&mut tx).await.unwrap();
            let titles: Vec<String> = sqlx::query_scalar(
                "SELECT title FROM documents WHERE id >= 10 ORDER BY id")
                .fetch_all(&mut tx)
                .await
                .unwrap();
            assert_eq!(pid(&mut tx).await, outer);
            tx.rollback().await.unwrap();
            if let Some(result) = finished {
                result.unwrap();
                assert_eq!(titles, ["before", "inner", "nested", "after"]);
                break;
            }
            assert_eq!(titles, ["before", "after"], "after {polls} polls");
        }
    }

    async fn after_a_cancelled_statement_nothing_is_saved(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let slow = sqlx::query("SELECT pg_sleep(0.05)").execute(&mut tx);
        assert!(polled(slow, 1).await.is_none());
        let next = sqlx::query("SELECT 1").execute(&mut tx).await.map_err(Error::from);
        assert!(matches!(next, Err(Error::Statement(StatementRefused::Interrupted))), "{next:?}");
        let refused = tx.commit().await;
        assert!(matches!(refused, Err(Error::Statement(StatementRefused::Interrupted))));
        nothing_is_left(fixture, &pool).await;
    }

    async fn a_stream_may_be_dropped_early(fixture: &Fixture) {
        use futures_util::TryStreamExt;

        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let mut rows = sqlx::query("SELECT generate_series(1, 100000)").fetch(&mut tx);
        rows.try_next().await.unwrap().unwrap();
        drop(rows);
        sqlx::query("INSERT INTO documents (id, title) VALUES (2, 'x')").execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();

        // One that fails later has aborted the transaction, and the commit says so.
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let mut rows = sqlx::query("SELECT 1 / (5000 - n) FROM generate_series(1, 9000) n").fetch(&mut tx);
        rows.try_next().await.unwrap().unwrap();
        drop(rows);
        let refused = tx.commit().await;
        assert!(matches!(refused, Err(Error::CommitAborted)), "{refused:?}");
        nothing_is_left(fixture, &pool).await;
    }

    async fn a_statement_cancelled_in_a_nested_savepoint_costs_that_savepoint_only(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let insert = "INSERT INTO documents (id, title) VALUES ($1, 'x')";
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let mut outer = tx.savepoint().await.unwrap();
        sqlx::query(insert).bind(2_i64).execute(&mut outer).await.unwrap();
        let mut nested = outer.savepoint().await.unwrap();
        sqlx::query(insert).bind(3_i64).execute(&mut nested).await.unwrap();
        assert!(polled(sqlx::query("SELECT pg_sleep(0.05)").execute(&mut nested), 1).await.is_none());
        drop(nested);
        sqlx::query(insert).bind(4_i64).execute(&mut outer).await.unwrap();
        outer.release().await.unwrap();
        tx.commit().await.unwrap();
        let saved: Vec<i64> = sqlx::query_scalar("SELECT id FROM documents WHERE id > 1 ORDER BY id")
            .fetch_all(&fixture.admin().await)
            .await
            .unwrap();
        assert_eq!(saved, [2, 4]);
    }

    async fn a_stream_that_fails_after_its_drop_is_undone_with_its_savepoint(fixture: &Fixture) {
        use futures_util::TryStreamExt;

        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let first = pid(&mut tx).await;
        let mut savepoint = tx.savepoint().await.unwrap();
        let failing = "SELECT 1 / (5000 - n) FROM generate_series(1, 9000) n";
        let mut rows = sqlx::query(failing).fetch(&mut savepoint);
        rows.try_next().await.unwrap().unwrap();
        drop(rows);
        savepoint.rollback().await.unwrap();
        sqlx::query("INSERT INTO documents (id, title) VALUES (2, 'x')").execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();

        // And without one, it costs the transaction and not its connection.
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let mut rows = sqlx::query(failing).fetch(&mut tx);
        rows.try_next().await.unwrap().unwrap();
        drop(rows);
        tx.rollback().await.unwrap();
        assert_eq!(pid(&mut pool.begin(&fixture.globex()).await.unwrap()).await, first);
    }

    async fn an_early_return_costs_no_connection(fixture: &Fixture) {
        let (link, pool) = fixture.over_link().await;
        let first = pid(&mut pool.begin(&fixture.acme()).await.unwrap()).await;
        let connections = link.connections();
        for _ in 0..20 {
            let mut tx = pool.begin(&fixture.acme()).await.unwrap();
            sqlx::query("INSERT INTO documents (id, title) VALUES (2, 'x')").execute(&mut tx).await.unwrap();
            assert_eq!(pid(&mut tx).await, first);
            drop(tx);
        }
        nothing_is_left(fixture, &pool).await;
        assert_eq!(link.connections(), connections);
        assert_eq!(pool.size(), 1);
    }

    async fn an_early_return_after_an_error_costs_no_connection(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let first = pid(&mut tx).await;
        sqlx::query("SELECT 1 / 0").execute(&mut tx).await.unwrap_err();
        drop(tx);
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        assert_eq!(pid(&mut tx).await, first);
        drop(tx);
        nothing_is_left(fixture, &pool).await;
    }

    async fn an_aborted_or_panicking_task_leaves_nothing_behind(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let sleeping = tokio::spawn({
            let (pool, acme) = (pool.clone(), fixture.acme());
            async move {
                let mut tx = pool.begin(&acme).await.unwrap();
                begun.send(()).unwrap();
                sqlx::query("SELECT pg_sleep(60)").execute(&mut tx).await.unwrap();
            }
        });
        has_begun.await.unwrap();
        sleeping.abort();
        assert!(sleeping.await.unwrap_err().is_cancelled());
        nothing_is_left(fixture, &pool).await;

        let panicking = tokio::spawn({
            let (pool, acme) = (pool.clone(), fixture.acme());
            async move {
                let mut tx = pool.begin(&acme).await.unwrap();
                sqlx::query("SELECT 1").execute(&mut tx).await.unwrap();
                panic!("on purpose");
            }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        nothing_is_left(fixture, &pool).await;
    }

    async fn a_transaction_may_end_in_another_task(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let task = tokio::spawn(async move {
            sqlx::query("SELECT 1").execute(&mut tx).await.unwrap();
        });
        task.await.unwrap();
        nothing_is_left(fixture, &pool).await;
    }

    async fn statement_timeout_ends_what_nobody_waits_for(fixture: &Fixture) {
        let pool = fixture
            .builder(1)
            .statement_timeout(Duration::from_secs(600))
            .statement_timeout_of(fixture.acme().tier(), Duration::from_millis(50))
            .connect(&fixture.database.url(&fixture.serving))
            .await
            .unwrap();
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let slow = sqlx::query("SELECT pg_sleep(60)").execute(&mut tx).await;
        assert_eq!(Error::from(slow.unwrap_err()).sqlstate(), Some("57014"));
        drop(tx);

        // Closing the connection does not end what runs on the server; the timeout does.
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let slow = sqlx::query("SELECT pg_sleep(60)").execute(&mut tx);
        assert!(polled(slow, 1).await.is_none());
        drop(tx);
        let mut tx = pool.begin(&fixture.globex()).await.unwrap();
        let timeout: String =
            sqlx::query_scalar("SHOW statement_timeout").fetch_one(&mut tx).await.unwrap();
        assert_eq!(timeout, "10min");
        drop(tx);
        fixture.no_transaction_is_open(&fixture.admin().await).await;
    }
}

#[test]
fn two_tenants_on_one_thread_never_see_each_other() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fixture = Fixture::system();
        let url = fixture.database.url(&fixture.serving);
        let pool = fixture.builder(2).connect(&url).await.unwrap();
        let work = async |tenant: TenantContext, title: &str| {
            for turn in 0..100 {
                let mut tx = pool.begin(&tenant).await.unwrap();
                let found: Vec<String> = sqlx::query_scalar("SELECT title FROM documents")
                    .fetch_all(&mut tx)
                    .await
                    .unwrap();
                assert_eq!(found, [title]);
                // Every second one ends early, and its connection changes hands.
                if turn % 2 == 0 {
                    tx.commit().await.unwrap();
                }
            }
        };
        tokio::join!(
            work(fixture.acme(), "plan"),
            work(fixture.globex(), "plot"),
            work(fixture.acme(), "plan"),
        );
    });
}

#[test]
fn a_transaction_that_outlives_its_runtime_is_closed() {
    let fixture = Fixture::system();
    let begin = async || {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query("SELECT 1").execute(&mut tx).await.unwrap();
        (pool, tx)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (pool, tx) = runtime.block_on(begin());

    // Outside the runtime, which comes back later and cleans up.
    drop(tx);
    runtime.block_on(nothing_is_left(&fixture, &pool));

    // After its end.
    let (pool, tx) = runtime.block_on(begin());
    drop(runtime);
    drop(tx);
    assert_eq!(pool.size(), 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { fixture.no_transaction_is_open(&fixture.admin().await).await });
}

#[test]
fn a_statement_that_is_dropped_outside_any_runtime_is_closed() {
    let fixture = Fixture::system();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (pool, tx) = runtime.block_on(async {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let slow = sqlx::query("SELECT pg_sleep(60)").execute(&mut tx);
        assert!(polled(slow, 1).await.is_none());
        (pool, tx)
    });
    drop(tx);
    runtime.block_on(nothing_is_left(&fixture, &pool));
}

#[test]
fn a_runtime_that_shuts_down_takes_open_transactions_with_it() {
    let fixture = Fixture::system();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query("SELECT 1").execute(&mut tx).await.unwrap();
        tokio::spawn(async move {
            let _held = (pool, tx);
            std::future::pending::<()>().await;
        });
    });
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { fixture.no_transaction_is_open(&fixture.admin().await).await });
}
