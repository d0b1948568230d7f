//! One tenant never has all connections, and what it had comes back.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sqlx::PgPool;
use tenantkit_core::{
    Door, Grant, Reason, RefusalCode, Subject, TenantContext, TenantId, TenantRecord, TierSet,
    test_util::TestAuthority,
};
use tenantkit_sqlx::{Connections, Error, TenantPool, TenantPoolBuilder, TenantTx};
use tokio::{sync::Semaphore, task::JoinHandle};

use super::{
    cancel::{everything, polled},
    fixture::{Fixture, all_are_idle, on_each_server, pid},
};

/// A pool that nobody waits for in vain for long, though the machine be busy.
fn hasty(fixture: &Fixture, connections: u32) -> TenantPoolBuilder {
    fixture.builder(connections).options(|options| options.acquire_timeout(Duration::from_secs(3)))
}

async fn connect(fixture: &Fixture, builder: TenantPoolBuilder) -> TenantPool {
    builder.connect(&fixture.database.url(&fixture.serving)).await.unwrap()
}

/// Begins as often as the tenant is let to, and tells why it is not any more.
async fn as_many_as_it_may(pool: &TenantPool, tenant: &TenantContext) -> (Vec<TenantTx>, Error) {
    let mut begun = Vec::new();
    loop {
        match pool.begin(tenant).await {
            Ok(tx) => begun.push(tx),
            Err(refused) => return (begun, refused),
        }
    }
}

fn is_at_its_cap(refused: &Error) {
    let Error::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(
        (refusal.reason(), refusal.door()),
        (Reason::ConcurrencyExceeded, Door::Transaction)
    );
    assert_eq!(refused.refusal().unwrap().code(), RefusalCode::TooManyInFlight);
}

fn is_busy(refused: &Error) {
    assert!(matches!(refused, Error::Unavailable(sqlx::Error::PoolTimedOut)), "{refused:?}");
}

/// Without waiting for anything.
fn at_once(pool: &TenantPool, tenant: &TenantContext) -> Error {
    pool.begin(tenant).now_or_never().expect("it waits").unwrap_err()
}

/// All that the tenant held comes back, which is soon or never.
async fn all_is_back(pool: &TenantPool, tenant: &TenantContext) {
    let patience = Instant::now() + Duration::from_secs(20);
    while pool.held_by(tenant.tenant()) != Some(0) {
        assert!(Instant::now() < patience, "{:?} is lost", pool.held_by(tenant.tenant()));
        tokio::task::yield_now().await;
    }
}

/// Holds of a tenant with a cap of one: it can have one, and not another.
async fn it_may_have_one(pool: &TenantPool, tenant: &TenantContext) {
    let tx = pool.begin(tenant).await.unwrap();
    assert_eq!(pool.held_by(tenant.tenant()), Some(1));
    is_at_its_cap(&at_once(pool, tenant));
    tx.commit().await.unwrap();
    all_is_back(pool, tenant).await;
}

fn sleeping(mut tx: TenantTx) -> JoinHandle<()> {
    tokio::spawn(async move {
        sqlx::query("SELECT pg_sleep(600)").execute(&mut tx).await.unwrap();
    })
}

/// Waits until so many statements sleep, which is soon or never.
async fn until_asleep(fixture: &Fixture, admin: &PgPool, number: usize) {
    let patience = Instant::now() + Duration::from_secs(20);
    while asleep(fixture, admin).await != number {
        assert!(Instant::now() < patience, "they do not sleep");
    }
}

async fn asleep(fixture: &Fixture, admin: &PgPool) -> usize {
    let found: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event = 'PgSleep'",
    )
    .bind(&fixture.serving)
    .fetch_one(admin)
    .await
    .unwrap();
    found.try_into().unwrap()
}

/// A tenant besides the two that there are.
fn third(fixture: &Fixture) -> TenantContext {
    let tier = fixture.globex().tier();
    let tenant = TenantId::new("initech").unwrap();
    fixture.authority.directory().set(tenant, TenantRecord::active(tier));
    fixture.authority.context("initech")
}

async fn select_one(pool: &TenantPool, tenant: &TenantContext) -> Result<(), Error> {
    let mut tx = pool.begin(tenant).await?;
    sqlx::query("SELECT title FROM documents").fetch_all(&mut tx).await?;
    tx.commit().await
}

on_each_server! {
    async fn slow_statements_of_one_tenant_never_take_the_pool(fixture: &Fixture) {
        let admin = fixture.admin().await;
        for (cap, most) in [(Connections::HALF, 2), (Connections::percent(100), 3)] {
            let pool = connect(fixture, hasty(fixture, 4).connections_per_tenant(cap)).await;
            let (begun, refused) = as_many_as_it_may(&pool, &fixture.acme()).await;
            assert_eq!(begun.len(), most);
            is_at_its_cap(&refused);
            let heavy: Vec<_> = begun.into_iter().map(sleeping).collect();
            until_asleep(fixture, &admin, most).await;
            is_at_its_cap(&at_once(&pool, &fixture.acme()));
            for _ in 0..10 {
                select_one(&pool, &fixture.globex()).await.unwrap();
            }
            // All the while.
            assert_eq!(asleep(fixture, &admin).await, most);
            assert_eq!(pool.held_by(fixture.acme().tenant()), Some(u32::try_from(most).unwrap()));
            heavy.iter().for_each(JoinHandle::abort);
            all_is_back(&pool, &fixture.acme()).await;
            all_is_back(&pool, &fixture.globex()).await;
            end_all(fixture, &admin).await;
        }

        // Without a cap, they do.
        let pool = connect(fixture, hasty(fixture, 4)).await;
        assert_eq!(pool.held_by(fixture.acme().tenant()), None);
        let (begun, refused) = as_many_as_it_may(&pool, &fixture.acme()).await;
        is_busy(&refused);
        let heavy: Vec<_> = begun.into_iter().map(sleeping).collect();
        until_asleep(fixture, &admin, 4).await;
        is_busy(&select_one(&pool, &fixture.globex()).await.unwrap_err());
        heavy.iter().for_each(JoinHandle::abort);
    }

    async fn the_last_connection_is_for_a_tenant_that_has_none(fixture: &Fixture) {
        let builder = hasty(fixture, 5).connections_per_tenant(Connections::at_most(2));
        let pool = connect(fixture, builder).await;
        let (_acmes, refused) = as_many_as_it_may(&pool, &fixture.acme()).await;
        is_at_its_cap(&refused);
        let (globexs, refused) = as_many_as_it_may(&pool, &fixture.globex()).await;
        is_at_its_cap(&refused);
        let initech = third(fixture);
        let first = pool.begin(&initech).await.unwrap();
        // Nothing is left.
        is_busy(&pool.begin(&initech).await.unwrap_err());
        drop(globexs);
        all_is_back(&pool, &fixture.globex()).await;
        // Two are free, of which one is for who has none.
        let second = pool.begin(&initech).await.unwrap();
        drop((first, second));
        all_is_back(&pool, &initech).await;
        let _one = pool.begin(&fixture.globex()).await.unwrap();
        let _two = pool.begin(&fixture.globex()).await.unwrap();
        assert_eq!((pool.size(), pool.idle()), (5, 1));
        let _last = pool.begin(&initech).await.unwrap();
    }

    async fn a_tier_has_a_cap_of_its_own(fixture: &Fixture) {
        let gold = fixture.acme().tier();
        let only = hasty(fixture, 8).connections_per_tenant_of(gold, Connections::at_most(1));
        let both = only.clone().connections_per_tenant(Connections::at_most(3));
        for (builder, of_bronze) in [(only, 4), (both, 3)] {
            let pool = connect(fixture, builder).await;
            for (tenant, cap) in [(fixture.acme(), 1), (fixture.globex(), of_bronze)] {
                let (begun, refused) = as_many_as_it_may(&pool, &tenant).await;
                is_at_its_cap(&refused);
                assert_eq!(begun.len(), cap);
            }
        }
    }

    async fn a_cap_that_is_none_is_refused_before_anything_is_asked(fixture: &Fixture) {
        const OTHERS: TierSet = TierSet::new(&["free", "paid"]);
        let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
        let gold = fixture.acme().tier();
        for cap in [
            Connections::at_most(0),
            Connections::at_most(9),
            Connections::percent(0),
            Connections::percent(101),
        ] {
            let of_all = fixture.builder(8).connections_per_tenant(cap);
            let of_one = fixture.builder(8).connections_per_tenant_of(gold, cap);
            for builder in [of_all, of_one] {
                let refused = builder.connect(nowhere).await.unwrap_err();
                let Error::ConnectionCap { cap: told, pool: 8 } = refused else {
                    panic!("{refused:?}");
                };
                assert_eq!(told, cap);
            }
        }
        let paid = OTHERS.get("paid").unwrap();
        let foreign = fixture.builder(8).connections_per_tenant_of(paid, Connections::HALF);
        let refused = foreign.connect(nowhere).await.unwrap_err();
        assert!(matches!(refused, Error::ForeignTier(tier) if tier == paid), "{refused:?}");
    }

    async fn a_tenant_at_its_cap_may_wait_for_its_turn(fixture: &Fixture) {
        let builder = fixture.builder(2).connections_per_tenant(Connections::HALF);
        let pool = connect(fixture, builder.clone().connections_wait(Duration::from_secs(600))).await;
        let acme = fixture.acme();
        let first = pool.begin(&acme).await.unwrap();
        let mut second = pool.begin(&acme);
        let mut third = pool.begin(&acme);
        assert!(polled(&mut second, 1).await.is_none());
        assert!(polled(&mut third, 1).await.is_none());
        // Another tenant does not wait behind them.
        select_one(&pool, &fixture.globex()).await.unwrap();
        first.commit().await.unwrap();
        let second = second.await.unwrap();
        assert!(polled(&mut third, 1).await.is_none());
        drop(second);
        drop(third.await.unwrap());
        all_is_back(&pool, &acme).await;

        // Not for ever.
        let pool = connect(fixture, builder.connections_wait(Duration::from_millis(50))).await;
        let _first = pool.begin(&acme).await.unwrap();
        is_at_its_cap(&pool.begin(&acme).await.unwrap_err());
    }

    async fn who_waits_for_its_turn_loses_none_of_its_patience_for_the_pool(fixture: &Fixture) {
        let builder = hasty(fixture, 2)
            .connections_per_tenant(Connections::HALF)
            .connections_wait(Duration::from_secs(600));
        let pool = connect(fixture, builder).await;
        let held = pool.begin(&fixture.acme()).await.unwrap();
        let waits = pool.begin(&fixture.acme());
        // Longer than the pool's patience.
        let waited = tokio::time::timeout(Duration::from_millis(400), waits).await;
        assert!(waited.is_err(), "{waited:?}");
        drop(held);
        select_one(&pool, &fixture.acme()).await.unwrap();
    }

    async fn who_begins_again_at_once_is_not_refused_and_has_no_more_than_its_cap(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        let pool = fixture
            .builder(8)
            .connections_per_tenant(Connections::at_most(1))
            .connect(&fixture.database.url_through(&link, &fixture.serving))
            .await
            .unwrap();
        all_are_idle(&pool).await;
        link.set_delay(Duration::from_millis(1));
        let acme = fixture.acme();
        for turn in 0..40 {
            let mut tx = pool.begin(&acme).await.unwrap();
            assert_eq!(pool.held_by(acme.tenant()), Some(1));
            // The pool lends nobody anything else.
            assert_eq!(pool.size() as usize - pool.idle(), 1, "in turn {turn}");
            sqlx::query("SELECT 1").execute(&mut tx).await.unwrap();
            match turn % 4 {
                0 => tx.commit().await.unwrap(),
                1 => tx.rollback().await.unwrap(),
                2 => drop(tx),
                _ => assert!(polled(sqlx::query("SELECT 1").execute(&mut tx), 1).await.is_none()),
            }
        }
        all_is_back(&pool, &acme).await;
    }

    async fn a_connection_is_its_tenants_until_the_pool_has_it_again(fixture: &Fixture) {
        let gate = Arc::new(Semaphore::new(0));
        let builder = fixture.builder(4).connections_per_tenant(Connections::at_most(1));
        let builder = builder.options(|options| options.after_release({
            let gate = Arc::clone(&gate);
            move |_, _| {
                let gate = Arc::clone(&gate);
                Box::pin(async move {
                    gate.acquire().await.unwrap().forget();
                    Ok(true)
                })
            }
        }));
        let pool = connect(fixture, builder).await;
        gate.add_permits(4); // What connecting has borrowed.
        all_are_idle(&pool).await;
        gate.forget_permits(4);
        let acme = fixture.acme();
        pool.begin(&acme).await.unwrap().commit().await.unwrap();
        assert_eq!(pool.held_by(acme.tenant()), Some(1));
        let mut next = pool.begin(&acme);
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut next).await.is_err());
        // It is not refused, and has a place in line that it does not lose.
        gate.add_permits(1);
        let next = next.await.unwrap();
        assert_eq!(pool.held_by(acme.tenant()), Some(1));
        gate.add_permits(8);
        drop(next);
        all_is_back(&pool, &acme).await;
    }

    async fn a_connection_that_does_not_come_back_is_given_up(fixture: &Fixture) {
        let stuck = Arc::new(AtomicBool::new(false));
        let builder = fixture.builder(2).connections_per_tenant(Connections::at_most(1));
        let builder = builder.options(|options| options.after_release({
            let stuck = Arc::clone(&stuck);
            move |_, _| {
                let stuck = stuck.load(SeqCst);
                Box::pin(async move {
                    if stuck {
                        std::future::pending::<()>().await;
                    }
                    Ok(true)
                })
            }
        }));
        let pool = connect(fixture, builder).await;
        all_are_idle(&pool).await;
        stuck.store(true, SeqCst);
        pool.begin(&fixture.acme()).await.unwrap().commit().await.unwrap();
        all_is_back(&pool, &fixture.acme()).await;
        // It does not count as the pool's any more.
        assert_eq!(pool.size() as usize, pool.idle());
    }

    async fn a_connection_is_its_tenants_while_it_is_rolled_back_or_closed(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        let pool = fixture
            .builder(4)
            .connections_per_tenant(Connections::at_most(1))
            .connect(&fixture.database.url_through(&link, &fixture.serving))
            .await
            .unwrap();
        let acme = fixture.acme();
        let tx = pool.begin(&acme).await.unwrap();
        link.set_delay(Duration::from_secs(60));
        drop(tx);
        assert_eq!(pool.held_by(acme.tenant()), Some(1));
        let mut next = pool.begin(&acme);
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut next).await.is_err());
        link.set_delay(Duration::ZERO);
        link.cut();
        drop(next.await.unwrap());
        all_is_back(&pool, &acme).await;
    }

    async fn a_drop_at_any_poll_loses_no_connection_and_makes_none(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        let pool = fixture
            .builder(3)
            .connections_per_tenant(Connections::at_most(1))
            .connect(&fixture.database.url_through(&link, &fixture.serving))
            .await
            .unwrap();
        link.set_delay(Duration::from_millis(1));
        let acme = fixture.acme();
        for polls in 0.. {
            let id = 1_000 + 10 * polls;
            let finished = polled(everything(&pool, &acme, id), polls as usize).await;
            all_is_back(&pool, &acme).await;
            it_may_have_one(&pool, &acme).await;
            if let Some(result) = finished {
                result.unwrap();
                assert!(polls > 12, "polled only {polls} times");
                break;
            }
        }
    }

    async fn who_gives_up_its_place_in_line_takes_nothing_with_it(fixture: &Fixture) {
        let builder = fixture
            .builder(2)
            .connections_per_tenant(Connections::HALF)
            .connections_wait(Duration::from_secs(600));
        let pool = connect(fixture, builder).await;
        let acme = fixture.acme();
        for polls in 0..40 {
            let held = pool.begin(&acme).await.unwrap();
            let mut waits = pool.begin(&acme);
            assert!(polled(&mut waits, 1).await.is_none());
            // From here on its turn has come, whether it has looked or not.
            drop(held);
            drop(polled(waits, polls).await);
            all_is_back(&pool, &acme).await;
            select_one(&pool, &acme).await.unwrap();
        }
    }

    async fn a_panic_an_abort_and_a_killed_server_process_give_back_what_they_held(fixture: &Fixture) {
        let pool =
            connect(fixture, fixture.builder(2).connections_per_tenant(Connections::HALF)).await;
        let (acme, admin) = (fixture.acme(), fixture.admin().await);

        let mut tx = pool.begin(&acme).await.unwrap();
        let panicking = tokio::spawn(async move {
            sqlx::query("SELECT 1").execute(&mut tx).await.unwrap();
            panic!("on purpose");
        });
        assert!(panicking.await.unwrap_err().is_panic());
        all_is_back(&pool, &acme).await;
        it_may_have_one(&pool, &acme).await;

        let aborted = sleeping(pool.begin(&acme).await.unwrap());
        until_asleep(fixture, &admin, 1).await;
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
        all_is_back(&pool, &acme).await;
        it_may_have_one(&pool, &acme).await;
        end_all(fixture, &admin).await;

        let mut tx = pool.begin(&acme).await.unwrap();
        let of_it = pid(&mut tx).await;
        kill(&admin, of_it).await;
        sqlx::query("SELECT 1").execute(&mut tx).await.unwrap_err();
        assert_eq!(pool.held_by(acme.tenant()), Some(1));
        drop(tx);
        all_is_back(&pool, &acme).await;
        it_may_have_one(&pool, &acme).await;

        let failing = async || {
            let mut tx = pool.begin(&acme).await?;
            sqlx::query("SELECT 1 / 0").execute(&mut tx).await?;
            tx.commit().await
        };
        for _ in 0..5 {
            assert_eq!(failing().await.unwrap_err().sqlstate(), Some("22012"));
        }
        all_is_back(&pool, &acme).await;
        it_may_have_one(&pool, &acme).await;
    }

    async fn a_dead_connection_is_replaced_within_the_tenants_cap(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        let pool = fixture
            .builder(3)
            .connections_per_tenant(Connections::at_most(1))
            .connect(&fixture.database.url_through(&link, &fixture.serving))
            .await
            .unwrap();
        let (acme, globex) = (fixture.acme(), fixture.globex());
        // Two connections, both dead.
        drop((pool.begin(&acme).await.unwrap(), pool.begin(&globex).await.unwrap()));
        while pool.idle() < 2 {
            tokio::task::yield_now().await;
        }
        link.cut();
        let tx = pool.begin(&acme).await.unwrap();
        assert_eq!(pool.held_by(acme.tenant()), Some(1));
        is_at_its_cap(&at_once(&pool, &acme));
        drop(tx);
        all_is_back(&pool, &acme).await;
    }

    async fn work_of_the_service_itself_is_nobodys(fixture: &Fixture) {
        let pool =
            connect(fixture, hasty(fixture, 2).connections_per_tenant(Connections::HALF)).await;
        let actor = Subject::new("test".parse().unwrap(), "operator".parse().unwrap());
        let grant = Grant::new(actor, "health".parse().unwrap(), Duration::from_secs(60));
        let work = fixture.authority().system_work(TestAuthority::SYSTEM, grant).await.unwrap();
        let (acmes, refused) = as_many_as_it_may(&pool, &fixture.acme()).await;
        is_at_its_cap(&refused);
        let system = pool.begin_system(&work).await.unwrap();
        assert_eq!((acmes.len(), pool.held_by(fixture.acme().tenant())), (1, Some(1)));
        system.commit().await.unwrap();
    }

    async fn a_pool_that_is_closed_lets_nobody_wait_for_its_turn(fixture: &Fixture) {
        let builder = fixture.builder(2).connections_per_tenant(Connections::HALF);
        let pool = connect(fixture, builder.connections_wait(Duration::from_secs(600))).await;
        let held = pool.begin(&fixture.acme()).await.unwrap();
        let mut waits = pool.begin(&fixture.acme());
        assert!(polled(&mut waits, 1).await.is_none());
        let mut closed = std::pin::pin!(pool.close());
        poll_fn(|cx| {
            assert!(closed.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let told = tokio::time::timeout(Duration::from_secs(60), waits).await;
        let refused = told.expect("it waits").unwrap_err();
        assert!(matches!(refused, Error::Unavailable(sqlx::Error::PoolClosed)), "{refused:?}");
        drop(held);
        closed.await;
    }

    async fn nobody_waits_for_its_turn_on_a_server_that_is_silent(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        // Who waits out this patience fails the test.
        let options = |options: sqlx::postgres::PgPoolOptions| {
            options.acquire_timeout(Duration::from_secs(600))
        };
        let pool = fixture
            .builder(2)
            .options(options)
            .connections_per_tenant(Connections::HALF)
            .connections_wait(Duration::from_secs(600))
            .connect(&fixture.database.url_through(&link, &fixture.serving))
            .await
            .unwrap();
        let acme = fixture.acme();
        select_one(&pool, &acme).await.unwrap();
        all_is_back(&pool, &acme).await;
        link.set_delay(Duration::from_secs(600));
        let all = futures_util::future::join_all((0..4).map(|_| select_one(&pool, &acme)));
        let patience = Duration::from_secs(60);
        for result in tokio::time::timeout(patience, all).await.expect("it waits") {
            assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
        }
        link.set_delay(Duration::ZERO);
        link.cut();
        let recovered = async {
            while select_one(&pool, &acme).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(patience, recovered).await.expect("it does not recover");
        all_is_back(&pool, &acme).await;
    }

    async fn a_transaction_with_a_cap_takes_three_round_trips(fixture: &Fixture) {
        let (link, _) = fixture.over_link().await;
        // Of one connection, so that none is without the statement.
        let pool = fixture
            .builder(1)
            .connections_per_tenant(Connections::HALF)
            .connect(&fixture.database.url_through(&link, &fixture.serving))
            .await
            .unwrap();
        let acme = fixture.acme();
        // The first prepares the statement.
        select_one(&pool, &acme).await.unwrap();
        all_is_back(&pool, &acme).await;
        let before = link.round_trips();
        for _ in 0..10 {
            select_one(&pool, &acme).await.unwrap();
        }
        all_is_back(&pool, &acme).await;
        // And off the caller's path, the pool's ping.
        assert_eq!(link.round_trips() - before, 10 * (3 + 1));
    }
}

async fn kill(admin: &PgPool, pid: i32) {
    sqlx::query("SELECT pg_terminate_backend($1, 10000)").bind(pid).execute(admin).await.unwrap();
}

/// Ends what nobody waits for any more.
async fn end_all(fixture: &Fixture, admin: &PgPool) {
    sqlx::query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = $1")
        .bind(&fixture.serving)
        .execute(admin)
        .await
        .unwrap();
}

#[test]
fn a_transaction_that_outlives_its_runtime_gives_back_what_it_held() {
    let fixture = Fixture::system();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let begin = async || {
        let builder = fixture.builder(2).connections_per_tenant(Connections::HALF);
        let pool = connect(&fixture, builder).await;
        let tx = pool.begin(&fixture.acme()).await.unwrap();
        (pool, tx)
    };
    let (pool, tx) = first.block_on(begin());
    drop(first);
    drop(tx);
    assert_eq!(pool.held_by(fixture.acme().tenant()), Some(0));
    runtime().block_on(async { fixture.no_transaction_is_open(&fixture.admin().await).await });
}
