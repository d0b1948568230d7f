//! Nobody who waits is forgotten.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Wake, Waker},
};

use super::*;

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_pop_that_is_dropped_at_any_poll_loses_no_item_and_no_wake_up() {
    for dropped_after in 0..4 {
        let (queue, _) = queue(|it| it);
        let bells = [(); 2].map(|()| Arc::new(Bell::default()));
        let wakers = [0, 1].map(|at| Waker::from(Arc::clone(&bells[at])));
        let mut first = Box::pin(queue.pop());
        let mut second = pin!(queue.pop());
        for poll in 0..dropped_after {
            if poll == 2 {
                push(&queue, 1, 10, 1);
                break;
            }
            assert!(first.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_pending());
        }
        assert!(
            second.as_mut().poll(&mut Context::from_waker(&wakers[1])).is_pending()
                || dropped_after == 3
        );
        if dropped_after < 3 {
            drop(first);
            push(&queue, 1, 10, 1);
        } else {
            // It was woken, and goes without taking what it was woken for.
            assert_eq!(bells[0].rung(), 1);
            continue;
        }
        assert_eq!(bells[1].rung(), 1, "dropped after {dropped_after}");
        let Poll::Ready(Some(lease)) = second.as_mut().poll(&mut Context::from_waker(&wakers[1]))
        else {
            panic!("there is an item");
        };
        assert_eq!(*lease, 10);
    }
}

#[test]
fn one_who_was_woken_and_goes_wakes_the_next() {
    let (queue, _) = queue(|it| it);
    let bells = [(); 2].map(|()| Arc::new(Bell::default()));
    let wakers = [0, 1].map(|at| Waker::from(Arc::clone(&bells[at])));
    let mut first = Box::pin(queue.pop());
    let mut second = pin!(queue.pop());
    assert!(first.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&wakers[1])).is_pending());
    push(&queue, 1, 10, 1);
    assert_eq!([bells[0].rung(), bells[1].rung()], [1, 0]);
    drop(first);
    assert_eq!(bells[1].rung(), 1);
    assert!(second.as_mut().poll(&mut Context::from_waker(&wakers[1])).is_ready());
}

#[test]
fn a_pop_whose_lease_is_dropped_unseen_gives_the_item_to_the_next() {
    let (queue, _) = queue(|it| it);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut second = pin!(queue.pop());
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    push(&queue, 1, 10, 1);
    drop(pop(&queue));
    assert!(bell.rung() >= 1);
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}

#[test]
fn who_waits_is_told_when_a_closed_queue_is_empty() {
    let (queue, _) = queue(|it| it);
    push(&queue, 1, 10, 1);
    let lease = pop(&queue);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut waits = pin!(queue.pop());
    queue.close();
    assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "it may come back");
    lease.complete().unwrap();
    assert_eq!(bell.rung(), 1);
    let over = waits.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(matches!(over, Poll::Ready(None)));
}

#[tokio::test(start_paused = true)]
async fn a_driven_queue_hands_out_what_time_brings() {
    /// Tokio's time, which is paused.
    #[derive(Debug)]
    struct Paused(tokio::time::Instant);

    impl tenantkit_core::Clock for Paused {
        fn now(&self) -> UnixTime {
            UnixTime::EPOCH
        }

        fn monotonic(&self) -> Duration {
            self.0.elapsed()
        }
    }

    let start = tokio::time::Instant::now();
    let queue: Queue =
        FairQueue::builder(TIERS).lease(10 * SECOND).build(Arc::new(Paused(start))).unwrap();
    let driven = queue.clone();
    let driver = tokio::spawn(async move { driven.drive(tokio::time::sleep).await });
    tokio::task::yield_now().await;

    push(&queue, 1, 10, 1);
    let late = queue.pop().await.unwrap();
    let again = queue.pop().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 10, "when the lease has ended");
    assert!(late.complete().is_err());
    again.retry_after(3 * SECOND).unwrap();
    queue.pop().await.unwrap().complete().unwrap();
    assert_eq!(start.elapsed().as_secs(), 13, "when the delay was over");
    driver.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_push_and_pop_at_once_lose_nothing() {
    let (queue, _) = queue(|it| it.share(bronze(), weight(1).max_in_flight(2)));
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut done = 0_u32;
                while let Some(lease) = queue.pop().await {
                    if lease.attempt() == 1 && *lease % 3 == 0 {
                        drop(lease);
                    } else {
                        lease.complete().unwrap();
                        done += 1;
                    }
                    tokio::task::yield_now().await;
                }
                done
            })
        })
        .collect();
    for item in 0..3_000 {
        push(&queue, item % 7, item, 1);
        if item % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    queue.close();
    let mut done = 0;
    for worker in workers {
        done += worker.await.unwrap();
    }
    assert_eq!(done, 3_000);
}
