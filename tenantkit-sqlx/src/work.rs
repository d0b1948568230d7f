//! Transactions of work that belongs to no single tenant: the same twice, as two types, so that what is
//! written for the one does not take the other.

/// Makes a type of such a transaction, and all that it can do.
macro_rules! work_transaction {
    ($(#[$about:meta])* $type:ident of $work:ty) => {
        $(#[$about])*
        #[must_use = "what is not committed is rolled back"]
        pub struct $type {
            session: crate::session::Session,
            work: $work,
        }

        impl $type {
            pub(crate) const fn new(session: crate::session::Session, work: $work) -> Self {
                Self { session, work }
            }

            /// What it is for.
            #[must_use]
            pub const fn work(&self) -> &$work {
                &self.work
            }

            /// Commits, as [`TenantTx::commit`](crate::TenantTx::commit) does.
            ///
            /// # Errors
            ///
            /// As there.
            ///
            /// # Cancellation
            ///
            /// As there.
            pub async fn commit(mut self) -> Result<(), crate::Error> {
                self.session.commit().await
            }

            /// Rolls back, as [`TenantTx::rollback`](crate::TenantTx::rollback) does.
            ///
            /// # Errors
            ///
            /// As there.
            ///
            /// # Cancellation
            ///
            /// As there.
            pub async fn rollback(mut self) -> Result<(), crate::Error> {
                self.session.rollback().await
            }

            const fn session_mut(&mut self) -> &mut crate::session::Session {
                &mut self.session
            }
        }

        crate::executor::executor!($type);

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type)).field("work", &self.work).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use work_transaction;
