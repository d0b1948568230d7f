//! The ambient scope: which tenant's work this thread does just now.
//!
//! A scope is entered on every poll and left after it, on panic and on drop as well, so two tenants'
//! futures that take turns on one thread never see each other, and it works on any executor.
//!
//! ```
//! # use tenantkit_core::test_util::{TestAuthority, block_on};
//! use tenantkit_core::{RefusalCode, TenantContext};
//!
//! # let authority = TestAuthority::new();
//! let tenant: TenantContext = authority.context("acme");
//! block_on(tenant.scope(async {
//!     assert_eq!(TenantContext::current()?.tenant(), "acme");
//!     Ok::<_, tenantkit_core::Refusal>(())
//! })?)?;
//!
//! // Outside there is nobody, and nobody is a refusal: never a default, never the last one seen.
//! assert_eq!(TenantContext::current().unwrap_err().code(), RefusalCode::NoTenant);
//! # Ok::<(), tenantkit_core::Refusal>(())
//! ```
//!
//! An explicit `&TenantContext` is the normal argument. The scope serves logs and spans, and code
//! that cannot take an argument.

mod poll;
mod stack;
#[cfg(feature = "tokio")]
pub mod task;

pub use poll::Scoped;

use crate::{Door, Reason, Refusal, TenantContext};

impl TenantContext {
    /// Wraps a future, a stream, a sink or a body, so that every poll of it, and its drop, happens in
    /// this tenant's scope.
    ///
    /// ```compile_fail
    /// #![deny(unused_must_use)]
    /// # fn work(tenant: tenantkit_core::TenantContext) -> Result<(), tenantkit_core::Refusal> {
    /// tenant.scope(async { /* never polled */ })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The checks are made once, here. What is in flight when the context expires goes on; a stream
    /// or body at a server is cut later, by the server's layer.
    ///
    /// # Errors
    ///
    /// Refuses like every door ([`Authority::check`](crate::Authority::check)); in particular inside
    /// another tenant's scope, as [`Mismatch`](crate::RefusalCode::Mismatch).
    pub fn scope<T>(&self, inner: T) -> Result<Scoped<T>, Refusal> {
        self.authority().check(self, Door::Scope)?;
        Ok(Scoped::new(self.clone(), inner))
    }

    /// Runs `work` in this tenant's scope.
    ///
    /// # Errors
    ///
    /// Refuses as [`TenantContext::scope`] does; then `work` is not run.
    ///
    /// # Panics
    ///
    /// When `work` panics. The scope is left first.
    pub fn in_scope<R>(&self, work: impl FnOnce() -> R) -> Result<R, Refusal> {
        self.authority().check(self, Door::Scope)?;
        let mut slot = Some(self.clone());
        Ok(stack::within(&mut slot, work))
    }

    /// Makes a span: in this tenant's scope, so that whoever makes more of spans reads there whose it is; outside,
    /// where there may be no such scope. The door that the span is of refuses that, and it is audited there, once.
    #[doc(hidden)]
    pub fn make_span<S>(&self, make: impl FnOnce() -> S) -> S {
        if self.authority().examine(self).is_err() {
            return make();
        }
        stack::within(&mut Some(self.clone()), make)
    }

    /// The context of the scope that this thread is in.
    ///
    /// # Errors
    ///
    /// [`NoTenant`](crate::RefusalCode::NoTenant) outside any scope.
    pub fn current() -> Result<Self, Refusal> {
        let nobody = Refusal::new(Reason::NoIdentity, Door::Scope);
        Self::with_current(|current| current.ok_or(nobody).cloned())
    }

    /// Reads the context of the scope that this thread is in, without a clone. For logs, spans and
    /// metrics.
    pub fn with_current<R>(read: impl FnOnce(Option<&Self>) -> R) -> R {
        stack::with_top(read)
    }
}
