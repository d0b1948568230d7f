//! The hand-off, in every interleaving that loom finds:
//! `RUSTFLAGS="--cfg tenantkit_loom" cargo test -p tenantkit-limit --lib --release loom`.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use loom::{sync::Notify, thread};
use tenantkit_core::{ManualClock, TierSet, UnixTime};

use super::{Class, FairQueue, Lease, Pop, Work};

type Queue = FairQueue<u8, u8>;

/// Wakes a thread of loom's.
struct Alarm(Notify);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn queue() -> Queue {
    let clock = Arc::new(ManualClock::at(UnixTime::EPOCH));
    FairQueue::builder(TierSet::METALS).lease(Duration::MAX).build(clock).expect("it is valid")
}

fn push(queue: &Queue, tenant: u8) {
    queue.push(&tenant, Class::Unverified, Work::new(0)).expect("there is room");
}

/// Waits until there is an item or the end. That neither ever comes, loom tells as a deadlock.
fn wait(queue: &Queue) -> Option<Lease<u8, u8>> {
    let alarm = Arc::new(Alarm(Notify::new()));
    let waker = Waker::from(Arc::clone(&alarm));
    let mut pop = pin!(queue.pop());
    loop {
        match pop.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(lease) => return lease,
            Poll::Pending => alarm.0.wait(),
        }
    }
}

fn poll_once(pop: &mut Pop<u8, u8>) -> Option<Lease<u8, u8>> {
    match Pin::new(pop).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(lease) => lease,
        Poll::Pending => None,
    }
}

fn complete(lease: Option<Lease<u8, u8>>) {
    lease.expect("there is one").complete().expect("it has not ended");
}

#[test]
fn loom_an_item_reaches_the_one_who_begins_to_wait() {
    loom::model(|| {
        let queue = queue();
        let other = queue.clone();
        let thread = thread::spawn(move || push(&other, 1));
        complete(wait(&queue));
        thread.join().expect("it pushed");
    });
}

#[test]
fn loom_two_items_reach_two_who_wait() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let queue = queue();
        let other = queue.clone();
        let thread = thread::spawn(move || complete(wait(&other)));
        push(&queue, 1);
        push(&queue, 2);
        complete(wait(&queue));
        thread.join().expect("it got one");
        assert_eq!(queue.waiting() + queue.in_flight(), 0);
    });
}

#[test]
fn loom_one_who_was_woken_and_goes_passes_it_on() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let queue = queue();
        let (pushes, goes) = (queue.clone(), queue.clone());
        let pushes = thread::spawn(move || push(&pushes, 1));
        let goes = thread::spawn(move || {
            let mut pop = goes.pop();
            // Whether it is an item or not: it comes back, or was never taken.
            drop(poll_once(&mut pop));
            drop(pop);
        });
        complete(wait(&queue));
        pushes.join().expect("it pushed");
        goes.join().expect("it went");
    });
}

#[test]
fn loom_a_lease_that_is_dropped_reaches_the_one_who_begins_to_wait() {
    loom::model(|| {
        let queue = queue();
        push(&queue, 1);
        let lease = queue.try_pop();
        let thread = thread::spawn(move || drop(lease));
        complete(wait(&queue));
        thread.join().expect("it dropped it");
    });
}

#[test]
fn loom_the_end_reaches_all_who_wait() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let queue = queue();
        push(&queue, 1);
        let lease = queue.try_pop();
        let (waits, closes) = (queue.clone(), queue.clone());
        let waits = thread::spawn(move || assert!(wait(&waits).is_none()));
        let closes = thread::spawn(move || closes.close());
        complete(lease);
        assert!(wait(&queue).is_none());
        waits.join().expect("it ended");
        closes.join().expect("it closed");
    });
}
