//! What [`tenantkit_limit::concurrency`] promises.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod adaptive;
mod cancelling;
mod changing;
mod model;
mod sharing;
mod waiting;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tenantkit_core::{Refusal, TenantId};
use tenantkit_limit::concurrency::{Acquire, ConcurrencyLimiter, Limit, Permit, Sharing};

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

/// A global limit that tenants may take all of, for tests of something else.
fn limiter(global: u32) -> ConcurrencyLimiter {
    let sharing = Sharing::DEFAULT.tenant_percent(100).reserve_percent(0);
    ConcurrencyLimiter::builder().global(Limit::fixed(global)).sharing(sharing).build().unwrap()
}

/// Polls once, with a waker that does nothing.
fn poll(acquire: &mut Acquire) -> Poll<Result<Permit, Refusal>> {
    Pin::new(acquire).poll(&mut Context::from_waker(Waker::noop()))
}

/// The permit that is there already.
fn ready(acquire: &mut Acquire) -> Permit {
    match poll(acquire) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("it waits"),
    }
}

/// Nothing is held and nothing is remembered.
fn assert_empty(limiter: &ConcurrencyLimiter) {
    assert_eq!((limiter.in_use(), limiter.waiters(), limiter.tenants()), (0, 0, 0));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
