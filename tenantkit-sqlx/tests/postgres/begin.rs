//! A bound transaction: what it sees, and what it costs.

use super::fixture::on_each_server;

on_each_server! {
    async fn a_query_without_where_returns_only_the_tenants_own(fixture: &Fixture) {
        let pool = fixture.pool().await;
        for (tenant, title) in [(fixture.acme(), "plan"), (fixture.globex(), "plot")] {
            let mut tx = pool.begin(&tenant).await.unwrap();
            let found: Vec<String> =
                sqlx::query_scalar("SELECT title FROM documents").fetch_all(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(found, [title]);
        }
    }

    async fn a_bound_transaction_takes_three_round_trips(fixture: &Fixture) {
        let (link, pool) = fixture.over_link().await;
        let acme = fixture.acme();
        let once = async || {
            let mut tx = pool.begin(&acme).await.unwrap();
            let begun = link.round_trips();
            let _: i64 = sqlx::query_scalar("SELECT count(*) FROM documents")
                .fetch_one(&mut tx)
                .await
                .unwrap();
            let queried = link.round_trips();
            tx.commit().await.unwrap();
            // Off the caller's path, the pool pings what comes back to it.
            while pool.idle() == 0 {
                tokio::task::yield_now().await;
            }
            [begun, queried, link.round_trips()]
        };
        // The first prepares the statement.
        let [.., before] = once().await;
        for _ in 0..10 {
            let before = link.round_trips();
            let [begun, queried, committed] = once().await;
            assert_eq!([begun - before, queried - begun, committed - queried], [1, 1, 1 + 1]);
        }
        assert_eq!(link.round_trips() - before, 40);
    }
}
