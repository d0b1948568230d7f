//! A future that is dropped at any poll, and panics at bad moments: no permit is lost or doubled.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake},
};

use tenantkit_limit::concurrency::{Cap, Resource};

use crate::{assert_empty, limiter, poll, ready, tenant};

/// Of three waiters the middle one is dropped, before its first poll, while it waits, while it is
/// next, when its permit is there and it has not looked, and after it has: the others get theirs.
#[test]
fn dropped_at_every_poll_it_loses_no_permit() {
    for stage in 0..6 {
        let (limiter, acme, globex) = (limiter(1), tenant("acme"), tenant("globex"));
        let mut held = Some(limiter.try_acquire(&acme, Cap::of(9)).unwrap());
        let mut first = limiter.acquire(&globex, Cap::of(9));
        assert!(poll(&mut first).is_pending());
        let mut middle = Some(limiter.acquire(&acme, Cap::of(9)));
        let mut last = limiter.acquire(&acme, Cap::of(9));
        let mut got = None;
        for step in 0..=stage {
            match step {
                1 => assert!(poll(middle.as_mut().unwrap()).is_pending()),
                2 => drop(held.take()),
                3 => drop(ready(&mut first)),
                4 => got = Some(ready(middle.as_mut().unwrap())),
                5 => drop(got.take()),
                _ => {}
            }
        }
        if stage < 3 {
            assert!(poll(&mut last).is_pending());
        }
        drop((middle.take(), got, held));
        if stage < 3 {
            drop(ready(&mut first));
        }
        drop(ready(&mut last));
        assert_empty(&limiter);
    }
}

#[test]
fn a_tenant_whose_only_waiter_gives_up_is_forgotten() {
    let (limiter, acme) = (limiter(1), tenant("acme"));
    let held = limiter.try_acquire(&acme, Cap::of(1)).unwrap();
    for number in 0..100 {
        let other = tenant(&format!("other-{number}"));
        let mut acquire = limiter.acquire(&other, Cap::new(Resource::new(number % 8), 1));
        assert!(poll(&mut acquire).is_pending());
    }
    assert_eq!((limiter.waiters(), limiter.tenants()), (0, 1));
    drop(held);
    assert_empty(&limiter);
}

/// A waker that panics when it is woken.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("on purpose");
    }
}

#[test]
fn a_waker_that_panics_costs_nobody_a_permit() {
    let (limiter, acme) = (limiter(2), tenant("acme"));
    let held: Vec<_> = (0..2).map(|_| limiter.try_acquire(&acme, Cap::of(9)).unwrap()).collect();
    let bomb = Arc::new(Bomb).into();
    let mut bombed = limiter.acquire(&acme, Cap::of(9));
    assert!(Pin::new(&mut bombed).poll(&mut Context::from_waker(&bomb)).is_pending());
    let woken = Arc::new(crate::Woken::default());
    let mut next = limiter.acquire(&acme, Cap::of(9));
    let waker = Arc::clone(&woken).into();
    assert!(Pin::new(&mut next).poll(&mut Context::from_waker(&waker)).is_pending());
    // Both are given at once, and the first to be woken panics.
    let raised = catch_unwind(AssertUnwindSafe(|| {
        limiter.set_global(&tenantkit_limit::concurrency::Limit::fixed(4))
    }));
    assert!(raised.is_err());
    assert_eq!(woken.times(), 1, "the other one is woken all the same");
    drop((ready(&mut bombed), ready(&mut next), held));
    assert_empty(&limiter);
}

#[test]
fn a_waker_that_holds_a_permit_of_the_same_limiter_may_be_dropped() {
    struct Holds(
        #[expect(dead_code, reason = "only dropped")]
        std::sync::Mutex<Option<tenantkit_limit::concurrency::Permit>>,
    );
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }
    let (limiter, acme) = (limiter(2), tenant("acme"));
    let held = limiter.try_acquire(&acme, Cap::of(9)).unwrap();
    let permit = limiter.try_acquire(&acme, Cap::of(9)).unwrap();
    let waker = Arc::new(Holds(std::sync::Mutex::new(Some(permit)))).into();
    let mut acquire = limiter.acquire(&acme, Cap::of(9));
    assert!(Pin::new(&mut acquire).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    // The last of that waker goes with the poll, and with it the permit, which is this waiter's then.
    let _ = poll(&mut acquire);
    assert!(matches!(poll(&mut acquire), Poll::Ready(Ok(_))));
    drop((acquire, held));
    assert_empty(&limiter);
}

#[test]
fn a_key_whose_equality_panics_leaves_the_limiter_whole() {
    #[derive(Clone)]
    struct Key(bool);
    impl std::hash::Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }
    impl PartialEq for Key {
        fn eq(&self, other: &Self) -> bool {
            assert!(!self.0 && !other.0, "on purpose");
            true
        }
    }
    impl Eq for Key {}
    let limiter =
        tenantkit_limit::concurrency::ConcurrencyLimiter::builder().keyed_by::<Key>().build();
    let limiter = limiter.unwrap();
    let held = limiter.try_acquire(&Key(false), Cap::of(2)).unwrap();
    let panics = || limiter.try_acquire(&Key(true), Cap::of(2)).map(drop);
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!((limiter.in_use(), limiter.tenants()), (1, 1));
    drop(limiter.try_acquire(&Key(false), Cap::of(2)).unwrap());
    drop(held);
    assert_eq!((limiter.in_use(), limiter.tenants()), (0, 0));
}
