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
    /// Not keyed: what is tried again must be the same.
    pub(super) type Keyed = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

    pub(super) use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    };
}

use std::task::{Wake, Waker};

use cap::{Cap, Resource};
use loom::{sync::Notify, thread};
use shared::{Exact, Shared};
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
    sharded(1, limit)
}

fn sharded(shards: usize, limit: u32) -> loom::sync::Arc<Limiter> {
    let sharing = Sharing::DEFAULT.tenant_percent(100).reserve_percent(0);
    let bounds = Bounds { per_tenant: 9, in_all: 9 };
    loom::sync::Arc::new(Shared::new(shards, limit, sharing, bounds))
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
    assert_eq!((limiter.in_use(), limiter.waiters(), limiter.tenants()), (0, 0, 0));
    assert!(!limiter.somebody_waits());
}

#[test]
fn a_permit_given_back_reaches_the_one_who_begins_to_wait() {
    loom::model(|| {
        let limiter = limiter(1);
        let held = limiter.take(&"acme", Cap::of(9)).unwrap();
        let other = loom::sync::Arc::clone(&limiter);
        let thread = thread::spawn(move || other.give_back(held, Resource::FIRST, Exact::No));
        let got = acquire(&limiter, "globex", Cap::of(9));
        limiter.give_back(got, Resource::FIRST, Exact::No);
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
        let thread = thread::spawn(move || other.give_back(held, Resource::FIRST, Exact::No));
        let got = acquire(&limiter, "acme", Cap::of(1));
        limiter.give_back(got, Resource::FIRST, Exact::No);
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
        let back = thread::spawn(move || back.give_back(held, Resource::FIRST, Exact::No));
        let gone = thread::spawn(move || give_up(&gone, "initech", Cap::of(9)));
        let got = acquire(&limiter, "globex", Cap::of(9));
        limiter.give_back(got, Resource::FIRST, Exact::No);
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
                assert_eq!(limiter.in_use(), 1);
                limiter.give_back(got, Resource::FIRST, Exact::No);
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
        let thread = thread::spawn(move || other.give_back(held, Resource::FIRST, Exact::No));
        assert!(limiter.take(&"initech", Cap::of(9)).is_err());
        thread.join().unwrap();
        let got = limiter.poll(waiter.unwrap(), Waker::noop()).unwrap();
        limiter.give_back(got, Resource::FIRST, Exact::No);
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
        limiter.give_back(got, Resource::FIRST, Exact::No);
        limiter.give_back(held, Resource::FIRST, Exact::No);
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
        let thread = thread::spawn(move || other.give_back(held, Resource::FIRST, Exact::No));
        let got = limiter.take(&"acme", Cap::of(9)).unwrap();
        thread.join().unwrap();
        assert_eq!((limiter.own(&"acme", Resource::FIRST).0, limiter.tenants()), (1, 1));
        limiter.give_back(got, Resource::FIRST, Exact::No);
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

/// One of `acme`, and of another tenant whose place is in another shard than that of `acme`.
fn apart(limiter: &Limiter) -> [(&'static str, Place); 2] {
    let acme = limiter.take(&"acme", Cap::of(9)).unwrap();
    for other in ["globex", "initech", "umbrella", "hooli", "tyrell", "cyberdyne", "soylent"] {
        let place = limiter.take(&other, Cap::of(9)).unwrap();
        if place.shard() != acme.shard() {
            return [("acme", acme), (other, place)];
        }
        limiter.give_back(place, Resource::FIRST, Exact::Yes);
    }
    unreachable!("one of them is in the other shard")
}

/// What is spare in one shard is not kept from who takes the last in another.
#[test]
fn a_spare_permit_refuses_nobody() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let limiter = sharded(2, 2);
        let [(acme, first), (other, second)] = apart(&limiter);
        limiter.give_back(first, Resource::FIRST, Exact::Yes);
        let keeper = loom::sync::Arc::clone(&limiter);
        // With one in use and one to take, this one may become spare at any moment.
        let thread = thread::spawn(move || {
            keeper.give_back(second, Resource::FIRST, Exact::No);
        });
        let got = limiter.take(&acme, Cap::of(9)).unwrap();
        thread.join().unwrap();
        let more = limiter.take(&other, Cap::of(9)).unwrap();
        assert!(limiter.take(&other, Cap::of(9)).is_err());
        limiter.give_back(got, Resource::FIRST, Exact::No);
        limiter.give_back(more, Resource::FIRST, Exact::No);
        assert_empty(&limiter);
    });
}

/// Two find the count full of spares at a time. While one recalls them, the other must not take the
/// count for what is in use.
#[test]
fn who_comes_while_spares_are_recalled_is_not_refused_for_that() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let limiter = sharded(2, 4);
        let [(acme, first), (other, second)] = apart(&limiter);
        let more = limiter.take(&acme, Cap::of(9)).unwrap();
        limiter.give_back(second, Resource::FIRST, Exact::Yes);
        for place in [first, more] {
            limiter.give_back(place, Resource::FIRST, Exact::No);
        }
        let held = [(); 2].map(|()| limiter.take(&other, Cap::of(9)).unwrap());
        // Two in use, two spare in the shard of `acme`, and four may be.
        let threads = [(); 2].map(|()| {
            let limiter = loom::sync::Arc::clone(&limiter);
            thread::spawn(move || limiter.take(&other, Cap::of(9)).unwrap())
        });
        let got = threads.map(|thread| thread.join().unwrap());
        assert!(limiter.take(&acme, Cap::of(9)).is_err());
        held.into_iter().chain(got).for_each(|place| {
            limiter.give_back(place, Resource::FIRST, Exact::No);
        });
        assert_empty(&limiter);
    });
}

#[test]
fn what_is_in_use_is_never_told_above_what_was() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let limiter = sharded(2, 8);
        let [(acme, first), (other, second)] = apart(&limiter);
        let more = limiter.take(&acme, Cap::of(9)).unwrap();
        limiter.give_back(more, Resource::FIRST, Exact::No);
        let keeper = loom::sync::Arc::clone(&limiter);
        let thread = thread::spawn(move || {
            keeper.give_back(first, Resource::FIRST, Exact::No);
            keeper.take(&other, Cap::of(9)).unwrap()
        });
        // Two at first and at last, and one between.
        assert!((1..=2).contains(&limiter.in_use()));
        for place in [second, thread.join().unwrap()] {
            limiter.give_back(place, Resource::FIRST, Exact::No);
        }
        assert_empty(&limiter);
    });
}

#[test]
fn a_permit_that_becomes_spare_reaches_the_one_who_begins_to_wait() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let limiter = sharded(2, 2);
        let [(_, first), (other, second)] = apart(&limiter);
        limiter.give_back(first, Resource::FIRST, Exact::No);
        let held = limiter.take(&other, Cap::of(9)).unwrap();
        let keeper = loom::sync::Arc::clone(&limiter);
        let thread = thread::spawn(move || {
            keeper.give_back(second, Resource::FIRST, Exact::No);
            keeper.give_back(held, Resource::FIRST, Exact::No);
        });
        let got = [(); 2].map(|()| acquire(&limiter, "acme", Cap::of(9)));
        for place in got {
            limiter.give_back(place, Resource::FIRST, Exact::No);
        }
        thread.join().unwrap();
        assert_empty(&limiter);
    });
}
