//! [`AsTenant`]: whose a record is.

use tenantkit_core::TenantContext;

/// Whose a record is: a [`TenantContext`], by reference. It is implemented for nothing else, and exists so
/// that the compiler says what to write instead.
#[diagnostic::on_unimplemented(
    message = "a record of a tenant is sent with a `&TenantContext`",
    label = "this is no `&TenantContext`",
    note = "take it as an argument: an inbound request, a consumed record or a job has it, and nobody makes one",
    note = "`SystemWork` and `CrossTenant` continue as one tenant with `for_tenant` and `act_as`"
)]
pub trait AsTenant: sealed::Sealed {
    /// The context.
    fn as_tenant(&self) -> &TenantContext;
}

impl AsTenant for &TenantContext {
    fn as_tenant(&self) -> &TenantContext {
        self
    }
}

impl<T: AsTenant + ?Sized> AsTenant for &T {
    fn as_tenant(&self) -> &TenantContext {
        (**self).as_tenant()
    }
}

mod sealed {
    pub trait Sealed: Send + Sync {}

    impl Sealed for &tenantkit_core::TenantContext {}
    impl<T: Sealed + ?Sized> Sealed for &T {}
}
