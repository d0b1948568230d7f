//! The hand-over of permits, in every interleaving that loom finds.
//!
//! The limiter's own files, with loom's atomics and locks in place of the standard library's.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "half of each file is for the others")]

#[path = "../src/concurrency/cap.rs"]
mod cap;
#[path = "../src/concurrency/shared.rs"]
mod shared;
#[path = "../src/concurrency/sharing.rs"]
mod sharing;
#[path = "../src/concurrency/slab.rs"]
mod slab;
#[path = "../src/concurrency/table.rs"]
mod table;
#[path = "../src/concurrency/waiting.rs"]
mod waiting;
#[path = "../src/concurrency/word.rs"]
mod word;

mod sync {
    pub(super) use std::hash::RandomState as Keyed;

    pub(super) use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    };
}

use std::task::{Wake, Waker};

use cap::{Cap, Resource};
use loom::{sync::Notify, thread};
use shared::Shared;
use sharing::Sharing;
use std::sync::Arc;
use table::Place;
use waiting::Bounds;

type Limiter = Shared<&'static str>;

/// Wakes a thread of loom's.
struct Alarm(Notify);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn limiter(limit: u32) -> loom::sync::Arc<Limiter> {
    let sharing = Sharing::DEFAULT.tenant_percent(100).reserve_percent(0);
    let bounds = Bounds { per_tenant: 9, in_all: 9 };
    loom::sync::Arc::new(Shared::new(1, limit, sharing, bounds))
}

/// Waits until there is a permit. That it never comes, loom tells as a deadlock.
fn acquire(limiter: &Limiter, key: &'static str, cap: Cap) -> Place {
    if let Ok(place) = limiter.take(&key, cap) {
        return place;
    }
    let alarm = Arc::new(Alarm(Notify::new()));
    let waker = Waker::from(Arc::clone(&alarm));
    let (waiter, wakers) = limiter.enqueue(&key, cap, &waker);
    drop(wakers);
    let waiter = waiter.unwrap();
    loop {
        if let Some(place) = limiter.poll(waiter, &waker) {
            return place;
        }
        alarm.0.wait();
    }
}

/// Joins the line and leaves it.
fn give_up(limiter: &Limiter, key: &'static str, cap: Cap) {
    let (waiter, wakers) = limiter.enqueue(&key, cap, Waker::noop());
    drop(wakers);
    limiter.give_up(waiter.unwrap());
}

fn assert_empty(limiter: &Limiter) {
    assert_eq!((limiter.view().in_use(), limiter.waiters(), limiter.tenants()), (0, 0, 0));
    assert!(!limiter.view().somebody_waits());
}

#[test]
fn a_permit_given_back_reaches_the_one_who_begins_to_wait() {
    loom::model(|| {
        let limiter = limiter(1);
        let held = limiter.take(&"acme", Cap::of(9)).unwrap();
        let other = loom::sync::Arc::clone(&limiter);
        let thread = thread::spawn(move || _ = other.give_back(held, Resource::FIRST));
        let got = acquire(&limiter, "globex", Cap::of(9));
        limiter.give_back(got, Resource::FIRST);
        thread.join().unwrap();
        assert_empty(&limiter);
    });
}

#[test]
fn a_tenants_own_permit_reaches_the_one_of_it_who_begins_to_wait() {
    loom::model(|| {
        let limiter = limiter(9);
        let held = limiter.take(&"acme", Cap::of(1)).unwrap();
        let other = loom::sync::Arc::clone(&limiter);
        let thread = thread::spawn(move || _ = other.give_back(held, Resource::FIRST));
        let got = acquire(&limiter, "acme", Cap::of(1));
        limiter.give_back(got, Resource::FIRST);
        thread.join().unwrap();
        assert_empty(&limiter);
    });
}

#[test]
fn a_permit_given_to_one_who_gives_up_reaches_the_next() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let limiter = limiter(1);
        let held = limiter.take(&"acme", Cap::of(9)).unwrap();
        let [back, gone] = [(); 2].map(|()| loom::sync::Arc::clone(&limiter));
        let back = thread::spawn(move || _ = back.give_back(held, Resource::FIRST));
        let gone = thread::spawn(move || give_up(&gone, "initech", Cap::of(9)));
        let got = acquire(&limiter, "globex", Cap::of(9));
        limiter.give_back(got, Resource::FIRST);
        back.join().unwrap();
        gone.join().unwrap();
        assert_empty(&limiter);
    });
}

#[test]
fn two_who_wait_for_one_permit_both_get_it_in_turn() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let limiter = limiter(1);
        let threads = ["acme", "globex"].map(|key| {
            let limiter = loom::sync::Arc::clone(&limiter);
            thread::spawn(move || {
                let got = acquire(&limiter, key, Cap::of(9));
                assert_eq!(limiter.view().in_use(), 1);
                limiter.give_back(got, Resource::FIRST);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_empty(&limiter);
    });
}

/// Not even between the moment when a permit is given back and the one when it is handed over.
#[test]
fn nobody_passes_by_the_one_who_waits() {
    loom::model(|| {
        let limiter = limiter(1);
        let held = limiter.take(&"acme", Cap::of(9)).unwrap();
        let (waiter, _) = limiter.enqueue(&"globex", Cap::of(9), Waker::noop());
        let other = loom::sync::Arc::clone(&limiter);
        let thread = thread::spawn(move || _ = other.give_back(held, Resource::FIRST));
        assert!(limiter.take(&"initech", Cap::of(9)).is_err());
        thread.join().unwrap();
        let got = limiter.poll(waiter.unwrap(), Waker::noop()).unwrap();
        limiter.give_back(got, Resource::FIRST);
        assert_empty(&limiter);
    });
}

#[test]
fn a_limit_that_is_raised_reaches_the_one_who_begins_to_wait() {
    loom::model(|| {
        let limiter = limiter(1);
        let held = limiter.take(&"acme", Cap::of(9)).unwrap();
        let other = loom::sync::Arc::clone(&limiter);
        let thread = thread::spawn(move || {
            other.set_limit(2);
            other.give_out();
        });
        let got = acquire(&limiter, "acme", Cap::of(9));
        limiter.give_back(got, Resource::FIRST);
        limiter.give_back(held, Resource::FIRST);
        thread.join().unwrap();
        assert_empty(&limiter);
    });
}

#[test]
fn a_tenant_that_leaves_while_it_comes_again_is_counted_once() {
    loom::model(|| {
        let limiter = limiter(9);
        let held = limiter.take(&"acme", Cap::of(9)).unwrap();
        let other = loom::sync::Arc::clone(&limiter);
        let thread = thread::spawn(move || _ = other.give_back(held, Resource::FIRST));
        let got = limiter.take(&"acme", Cap::of(9)).unwrap();
        thread.join().unwrap();
        assert_eq!((limiter.held(&"acme", Resource::FIRST), limiter.tenants()), (1, 1));
        limiter.give_back(got, Resource::FIRST);
        assert_empty(&limiter);
    });
}

#[test]
fn of_two_who_try_for_the_last_permit_one_gets_it() {
    loom::model(|| {
        let limiter = limiter(1);
        let threads = ["acme", "globex"].map(|key| {
            let limiter = loom::sync::Arc::clone(&limiter);
            thread::spawn(move || limiter.take(&key, Cap::of(9)).is_ok())
        });
        let got = threads.map(|thread| thread.join().unwrap());
        assert_ne!(got[0], got[1]);
    });
}
