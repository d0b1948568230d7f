//! Doing what time brings, when it brings it.

use std::{future::poll_fn, hash::Hash, pin::pin, task::Poll, time::Duration};

use super::{Inner, sync::lock};

pub(super) async fn drive<K, T, S>(inner: &Inner<K, T>, mut sleep: impl FnMut(Duration) -> S)
where
    K: Hash + Eq + Clone,
    S: Future,
{
    loop {
        let now = inner.clock.monotonic();
        let (wait, until) = inner.with(|state| {
            let wait = state.tick(now);
            (wait, wait.map_or(Duration::MAX, |wait| now.saturating_add(wait)))
        });
        match wait {
            Some(wait) => {
                let mut slept = pin!(sleep(wait));
                poll_fn(|cx| {
                    let is_earlier = asleep(inner, until, cx.waker());
                    if is_earlier { Poll::Ready(()) } else { slept.as_mut().poll(cx).map(drop) }
                })
                .await;
            }
            None => {
                poll_fn(|cx| {
                    if asleep(inner, until, cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
        }
    }
}

/// Whether something is due earlier; if not, the waker is woken when something is.
fn asleep<K: Hash + Eq + Clone, T>(
    inner: &Inner<K, T>,
    until: Duration,
    waker: &std::task::Waker,
) -> bool {
    let mut state = lock(&inner.state);
    let old = state.sleep(until, waker);
    let wakes = state.wakes();
    let is_earlier = state.is_due_before(until);
    drop(state);
    drop(old);
    wakes.wake();
    is_earlier
}
