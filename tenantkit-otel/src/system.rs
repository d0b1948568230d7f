//! [`as_system`]: work of no single tenant, which says in its spans and logs why it is done.
//!
//! A tenant's scope has a context to read; [`SystemWork`] and [`CrossTenant`] are arguments, which no span
//! sees. So whoever does such work wraps it.

use std::{
    cell::RefCell,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tenantkit_core::{CrossTenant, SystemWork, Text};

use crate::{names, owner::Put};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Granted>>> = const { RefCell::new(None) };
}

/// Wraps the future of work of no single tenant: what is made while it is polled has
/// [`SYSTEM_CAPABILITY`](names::SYSTEM_CAPABILITY) and [`SYSTEM_REASON`](names::SYSTEM_REASON).
///
/// It grants nothing and checks nothing. Inside a tenant's scope, spans are the tenant's.
///
/// ```
/// # use tenantkit_core::{test_util::{TestAuthority, block_on}, Grant, Subject};
/// # use std::time::Duration;
/// # let test = TestAuthority::new();
/// # let cron = Subject::new("https://id.example".parse()?, "cron".parse()?);
/// # block_on(async {
/// let grant = Grant::new(cron, "nightly vacuum".parse()?, Duration::from_secs(60));
/// let work = test.authority().system_work(TestAuthority::SYSTEM, grant).await?;
/// tenantkit_otel::as_system(&work, async { /* its spans say "nightly vacuum" */ }).await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_system<F: Future>(work: &impl SystemReason, future: F) -> AsSystem<F> {
    AsSystem { granted: Arc::new(work.granted()), inner: Some(future) }
}

/// [`SystemWork`] and [`CrossTenant`]: what has a capability and a reason.
pub trait SystemReason: sealed::Sealed {}

impl SystemReason for SystemWork {}
impl SystemReason for CrossTenant {}

/// The future of [`as_system`].
///
/// # Cancellation
///
/// What is inside is dropped as system work too.
#[pin_project(PinnedDrop)]
#[must_use = "what is in it does nothing until it is polled"]
pub struct AsSystem<F> {
    granted: Arc<Granted>,
    #[pin]
    inner: Option<F>,
}

impl<F: Future> Future for AsSystem<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = Entered::new(this.granted);
        let Some(inner) = this.inner.as_pin_mut() else {
            unreachable!("emptied only by the drop");
        };
        inner.poll(cx)
    }
}

#[pin_project::pinned_drop]
impl<F> PinnedDrop for AsSystem<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        let _entered = Entered::new(this.granted);
        this.inner.set(None);
    }
}

impl<F> fmt::Debug for AsSystem<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsSystem").field("granted", &self.granted).finish_non_exhaustive()
    }
}

/// What spans tell of a grant.
#[derive(Debug)]
pub struct Granted {
    capability: &'static str,
    reason: Text,
}

impl Granted {
    pub(crate) fn tell(&self, put: &mut impl Put) {
        put(names::SYSTEM_CAPABILITY, self.capability.into());
        put(names::SYSTEM_REASON, Arc::<str>::from(self.reason.clone()).into());
    }
}

/// Reads the system work that this thread does.
pub(crate) fn with_current<R>(read: impl FnOnce(Option<&Arc<Granted>>) -> Option<R>) -> Option<R> {
    // While the thread ends, it is nobody's work.
    CURRENT.try_with(|current| read(current.borrow().as_ref())).ok().flatten()
}

/// Left on drop, so on panic as well, for what it was before.
struct Entered {
    before: Option<Arc<Granted>>,
}

impl Entered {
    fn new(granted: &Arc<Granted>) -> Self {
        let mine = Some(Arc::clone(granted));
        Self { before: CURRENT.try_with(|current| current.replace(mine)).unwrap_or_default() }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| current.replace(self.before.take()));
    }
}

mod sealed {
    use tenantkit_core::{CrossTenant, SystemWork};

    use super::Granted;

    pub trait Sealed {
        fn granted(&self) -> Granted;
    }

    impl Sealed for SystemWork {
        fn granted(&self) -> Granted {
            Granted { capability: self.capability().name(), reason: self.reason().clone() }
        }
    }

    impl Sealed for CrossTenant {
        fn granted(&self) -> Granted {
            Granted { capability: self.capability().name(), reason: self.reason().clone() }
        }
    }
}
