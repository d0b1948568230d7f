//! Tasks that stay in the scope, on Tokio.

use std::time::Duration;

use tenantkit_core::{
    RefusalCode, TenantContext,
    task::{self, JoinSetExt},
    test_util::TestAuthority,
};
use tokio::{sync::oneshot, task::JoinSet};

fn whose() -> Option<String> {
    TenantContext::current().ok().map(|it| it.tenant().to_string())
}

const ACME: Option<&str> = Some("acme");

#[tokio::test]
async fn spawned_work_stays_in_the_scope_and_a_bare_spawn_leaves_it() {
    let acme = TestAuthority::new().context("acme");
    let work = async {
        let spawned = task::spawn(async {
            tokio::task::yield_now().await;
            whose()
        })
        .unwrap();
        assert_eq!(spawned.await.unwrap().as_deref(), ACME);
        let blocking = task::spawn_blocking(whose).unwrap();
        assert_eq!(blocking.await.unwrap().as_deref(), ACME);
        let mut set = JoinSet::new();
        set.spawn_scoped(async { whose() }).unwrap();
        assert_eq!(set.join_next().await.unwrap().unwrap().as_deref(), ACME);

        assert_eq!(tokio::spawn(async { whose() }).await.unwrap(), None);
        assert_eq!(tokio::task::spawn_blocking(whose).await.unwrap(), None);
    };
    acme.scope(work).unwrap().await;
    assert_eq!(whose(), None);
}

#[tokio::test]
async fn outside_any_scope_nothing_is_spawned() {
    let (ran, runs) = oneshot::channel();
    let refusal = task::spawn(async move { ran.send(()) }).unwrap_err();
    assert_eq!(refusal.code(), RefusalCode::NoTenant);
    assert!(runs.await.is_err());
    assert_eq!(task::spawn_blocking(|| ()).unwrap_err().code(), RefusalCode::NoTenant);
    let mut set = JoinSet::new();
    assert_eq!(set.spawn_scoped(async {}).unwrap_err().code(), RefusalCode::NoTenant);
    assert!(set.is_empty());
}

#[tokio::test]
async fn an_aborted_task_is_dropped_in_its_scope() {
    struct Witness(Option<oneshot::Sender<Option<String>>>);
    impl Drop for Witness {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(whose());
        }
    }
    let acme = TestAuthority::new().context("acme");
    let (told, seen) = oneshot::channel();
    let witness = Witness(Some(told));
    let aborted = acme.scope(async {
        task::spawn(async move {
            let _held = witness;
            std::future::pending::<()>().await;
        })
    });
    let aborted = aborted.unwrap().await.unwrap();
    tokio::task::yield_now().await;
    aborted.abort();
    assert_eq!(seen.await.unwrap().as_deref(), ACME);
    assert_eq!(whose(), None);
}

#[tokio::test]
async fn a_panic_in_blocking_work_leaves_the_thread_clean_for_the_next() {
    let acme = TestAuthority::new().context("acme");
    let panics = acme.in_scope(|| task::spawn_blocking(|| panic!("in the tenant's work"))).unwrap();
    assert!(panics.unwrap().await.unwrap_err().is_panic());
    for _ in 0..8 {
        assert_eq!(tokio::task::spawn_blocking(whose).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_at_any_poll_leaves_nothing_behind() {
    let test = TestAuthority::new();
    for millis in 0..10 {
        let work = async {
            for _ in 0..10 {
                assert_eq!(whose().as_deref(), ACME);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let scoped = test.context("acme").scope(work).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(millis), scoped).await.is_err());
        assert_eq!(whose(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_move_between_threads_keep_their_tenant() {
    let test = TestAuthority::new();
    let mut set = JoinSet::new();
    for at in 0..200 {
        let tenant = if at % 2 == 0 { "acme" } else { "globex" };
        let work = async move {
            for _ in 0..50 {
                assert_eq!(whose().as_deref(), Some(tenant));
                tokio::task::yield_now().await;
            }
        };
        set.spawn(test.context(tenant).scope(work).unwrap());
        set.spawn(async {
            for _ in 0..50 {
                assert_eq!(whose(), None);
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(outcome) = set.join_next().await {
        outcome.unwrap();
    }
}
