//! The context of a tonic request, and a refusal as a tonic status.

use tenantkit_core::{Door, Reason, Refusal, TenantContext};
use tonic::{Code, Request, Status};

use crate::refusal::{grpc_details, grpc_message};

/// The context of a request that came through a [`TenantLayer`](crate::TenantLayer).
///
/// ```
/// # use tenantkit_core::test_util::TestAuthority;
/// use tenantkit_grpc::TenantRequestExt;
///
/// # let authority = TestAuthority::new();
/// // What the layer does:
/// let mut request = tonic::Request::new(());
/// request.extensions_mut().insert(authority.context("acme"));
/// assert_eq!(request.tenant()?.tenant(), "acme");
///
/// let unverified = tonic::Request::new(());
/// assert_eq!(unverified.tenant().unwrap_err().code(), tonic::Code::Unauthenticated);
/// # Ok::<(), tonic::Status>(())
/// ```
pub trait TenantRequestExt {
    /// The verified context.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` where no layer stands, because then nobody was verified.
    fn tenant(&self) -> Result<&TenantContext, Status>;
}

impl<T> TenantRequestExt for Request<T> {
    fn tenant(&self) -> Result<&TenantContext, Status> {
        let verified = self.extensions().get::<TenantContext>();
        verified.ok_or_else(|| Refusal::new(Reason::NoLayer, Door::Request).into_status())
    }
}

/// A refusal as what a tonic handler returns.
///
/// ```
/// use tenantkit_core::{Door, Reason, Refusal};
/// use tenantkit_grpc::IntoStatus;
///
/// let status = Refusal::new(Reason::TenantSuspended, Door::Transaction).into_status();
/// assert_eq!(status.code(), tonic::Code::PermissionDenied);
/// ```
pub trait IntoStatus {
    /// The status, with its `google.rpc` details.
    fn into_status(self) -> Status;
}

impl IntoStatus for Refusal {
    fn into_status(self) -> Status {
        let code = Code::from_i32(self.code().grpc_code());
        Status::with_details(code, grpc_message(&self), grpc_details(&self).into())
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn a_stock_client_reads_the_refusal_that_a_handler_ends_with() {
        for reason in Reason::ALL {
            let refusal = Refusal::new(*reason, Door::Transaction);
            let status = refusal.into_status();
            assert_eq!(i32::from(status.code()), refusal.code().grpc_code());
            assert!(status.message().ends_with(reason.advice()), "{}", status.message());
            let info = status.get_details_error_info().expect("an ErrorInfo");
            assert_eq!(info.metadata["reason"], reason.as_str());
            assert_eq!(info.metadata["door"], "transaction");
        }
    }
}
