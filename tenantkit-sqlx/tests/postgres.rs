//! Against real servers: the one of `DATABASE_URL` or one that is started, and that of
//! `DATABASE_URL_18` where it is set.

#![expect(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

mod postgres {
    mod advice;
    mod audit;
    mod begin;
    mod cancel;
    mod commit;
    mod connect;
    #[cfg(feature = "limit")]
    mod connections;
    mod doors;
    pub(crate) mod fixture;
    mod kit;
    mod oracles;
    mod outage;
    mod pgbouncer;
    mod session;
    #[cfg(feature = "tracing")]
    mod spans;
    mod statements;
}
