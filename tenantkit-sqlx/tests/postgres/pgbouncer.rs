//! Behind a PgBouncer in transaction mode, whose sessions are lent for a transaction at a time.

use tenantkit_sqlx::{Error, TenantPool};
use throwaway::{PgBouncer, tools};

use super::fixture::on_each_server;

on_each_server! {
    async fn a_pool_works_behind_pgbouncer_in_transaction_mode(fixture: &Fixture) {
        // One server connection under four of ours, so that each transaction follows another's.
        let Some(pgbouncer) = tools::or_skip(PgBouncer::start(fixture.server, 1)) else { return };
        let pool = TenantPool::builder(fixture.authority())
            .options(|options| options.max_connections(4))
            .behind_pgbouncer()
            .connect(&fixture.database.url_at(pgbouncer.address(), &fixture.serving))
            .await
            .unwrap();
        // A tenant's own prepared statement, of a name that the next one wants too.
        fixture
            .database
            .execute(
                "CREATE FUNCTION prepares() RETURNS void LANGUAGE plpgsql AS $$
                BEGIN EXECUTE 'PREPARE mine AS SELECT 1'; END $$",
            )
            .unwrap();
        let work = async |turn: i64| -> Result<(), Error> {
            let (tenant, title) = match turn % 2 {
                0 => (fixture.acme(), "plan"),
                _ => (fixture.globex(), "plot"),
            };
            let mut tx = pool.begin(&tenant).await?;
            let found: Vec<String> =
                sqlx::query_scalar("SELECT title FROM documents WHERE id = $1 OR id > $1")
                    .bind(1_i64)
                    .fetch_all(&mut tx)
                    .await?;
            assert_eq!(found, [title]);
            sqlx::query("SELECT prepares()").execute(&mut tx).await?;
            sqlx::query("SET work_mem = '77MB'").execute(&mut tx).await?;
            match turn % 3 {
                0 => tx.commit().await,
                1 => tx.rollback().await,
                _ => {
                    drop(tx);
                    Ok(())
                }
            }
        };
        for result in futures_util::future::join_all((0..60).map(work)).await {
            result.unwrap();
        }
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let (memory, zone, prepared): (String, String, i64) = sqlx::query_as(
            "SELECT current_setting('work_mem'), current_setting('TimeZone'),
                (SELECT count(*) FROM pg_prepared_statements WHERE name <> '')")
            .fetch_one(&mut tx)
            .await
            .unwrap();
        assert_ne!(memory, "77MB");
        assert_eq!((&*zone, prepared), ("UTC", 0));
        tx.commit().await.unwrap();
    }
}
