//! [`Error`]: what a handler may end with, and how it is answered in each protocol.

#[cfg(feature = "axum")]
mod answer;
#[cfg(feature = "http")]
mod client;
#[cfg(feature = "sqlx")]
mod database;
#[cfg(feature = "limit")]
mod limit;
#[cfg(feature = "axum")]
mod problem;
#[cfg(feature = "kafka")]
mod record;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod report;
#[cfg(feature = "tonic")]
mod status;

use tenantkit_core::Refusal;
#[cfg(feature = "http")]
use tenantkit_core::{Door, Reason};

/// What a handler may end with. It converts from each crate's error, from `sqlx::Error` and from
/// `tonic::Status`, and answers as the table of refusals says: `?` is all that a handler needs.
///
/// What is no refusal is answered by its kind alone: 404 for a row that is not there, the kind of what
/// a called service answered, 500 for the rest. No answer tells what the database said, nor what a
/// called service did, but for which argument is wrong. With the feature `tracing` what is answered as
/// a fault of the service, a database that is gone included, is an event at the target
/// `tenantkit::error`, with its sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A door said no, here or in a service that was called. That a service did not accept the token
    /// of this one's own call is no refusal of whoever called this one: it is a failed call.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database.
    #[cfg(feature = "sqlx")]
    #[error(transparent)]
    Database(tenantkit_sqlx::Error),
    /// A record that was not sent, or may not have been.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Record(tenantkit_kafka::Error),
    /// A call that brought no answer.
    #[cfg(feature = "http")]
    #[error("a call brought no answer")]
    Unreachable(#[source] tenantkit_grpc::BoxError),
    /// A call to another service, and its answer.
    #[cfg(feature = "tonic")]
    #[error("a call failed: {}", .0.code())]
    Call(#[source] Box<tonic::Status>),
}

impl Error {
    /// The refusal that it is answered as; `None` for what is no refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(*refusal),
            #[cfg(feature = "sqlx")]
            Self::Database(error) => error.refusal(),
            #[cfg(feature = "kafka")]
            Self::Record(error) => error.refusal(),
            #[cfg(feature = "http")]
            Self::Unreachable(_) => Some(Refusal::new(Reason::DependencyUnavailable, Door::Call)),
            #[cfg(feature = "tonic")]
            Self::Call(_) => None,
        }
    }

    /// Whether a query for one row found none.
    #[cfg(feature = "sqlx")]
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Database(tenantkit_sqlx::Error::Sqlx(sqlx::Error::RowNotFound)))
    }
}

#[cfg(test)]
#[cfg(all(feature = "axum", feature = "sqlx", feature = "tonic"))]
mod tests {
    use std::time::Duration;

    use axum_core::response::IntoResponse;
    use tenantkit_core::RefusalCode;
    use tonic::{Code, Status};

    use super::*;

    #[test]
    fn a_refusal_by_a_service_that_was_called_stays_that_refusal() {
        for reason in Reason::ALL {
            for door in Door::ALL {
                let wait = Duration::from_millis(2500);
                let refusal = Refusal::new(*reason, *door).retry_after(wait);
                let told = Error::from(Status::from(Error::from(refusal)));
                if is_of_our_own_token(*reason) && *door == Door::Request {
                    assert!(matches!(told, Error::Call(_)), "{reason}");
                    continue;
                }
                let Error::Refused(told) = told else { panic!("{reason} {door}") };
                assert_eq!((told.reason(), told.wait()), (*reason, Some(wait)));
            }
        }
    }

    #[test]
    fn a_call_that_our_own_layer_refused_is_answered_alike_over_http_and_grpc() {
        for reason in [Reason::Expired, Reason::StaleIncarnation, Reason::NoIdentity] {
            let refusal = Refusal::new(reason, Door::Call);
            let over_http = Error::from(tenantkit_grpc::ClientError::Refused(refusal));
            // What the client layer answers locally over gRPC.
            let mut headers = tenantkit_grpc::refusal::grpc_headers(&refusal);
            headers.remove(http::header::CACHE_CONTROL);
            let over_grpc = Error::from(Status::from_header_map(&headers).unwrap());
            for error in [over_http, over_grpc] {
                let answer = error.into_response();
                assert_eq!(answer.status(), 401, "{reason}");
                assert!(answer.headers().contains_key("www-authenticate"));
            }
        }
    }

    fn is_of_our_own_token(reason: Reason) -> bool {
        matches!(reason.code(), RefusalCode::NoTenant | RefusalCode::Unverified)
    }

    #[test]
    fn a_status_that_only_looks_like_a_refusal_is_a_failed_call() {
        let bare = Status::unauthenticated("urn:tenantkit:suspended");
        assert!(matches!(Error::from(bare), Error::Call(_)));
    }

    #[test]
    fn a_row_that_is_not_there_is_not_found_in_both_protocols() {
        let error = || Error::from(sqlx::Error::RowNotFound);
        assert_eq!(error().into_response().status(), 404);
        assert_eq!(Status::from(error()).code(), Code::NotFound);
    }

    #[test]
    fn a_database_that_is_gone_is_overloaded_with_a_wait() {
        let answer = Error::from(sqlx::Error::PoolTimedOut).into_response();
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
    }

    #[test]
    fn what_the_database_or_a_service_says_is_not_passed_on() {
        let said = || sqlx::Error::Protocol("the secret".into());
        let status = Status::from(Error::from(said()));
        assert_eq!((status.code(), status.message().contains("secret")), (Code::Internal, false));

        let answer = Error::from(Status::internal("the secret")).into_response();
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(!read(answer).contains("secret"));
    }

    #[test]
    fn a_call_that_was_refused_or_brought_no_answer_is_answered_as_that() {
        let refused = tenantkit_grpc::ClientError::Refused(Refusal::new(
            Reason::OutsideTrustDomain,
            Door::Call,
        ));
        assert_eq!(Error::from(refused).into_response().status(), 403);
        let unreachable = tenantkit_grpc::ClientError::Inner("connection refused".into());
        assert_eq!(Error::from(unreachable).into_response().status(), 503);
    }

    #[cfg(feature = "tracing")]
    #[test]
    fn a_fault_is_told_to_whoever_runs_the_service() {
        use std::sync::{Arc, Mutex};

        let told = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&told);
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || Told(Arc::clone(&writer))).finish();
        // What another thread comes to first would else be off for all: while there is one subscriber only,
        // tracing-core asks that thread's.
        let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
        tracing::subscriber::with_default(subscriber, || {
            let fault = Error::from(sqlx::Error::Protocol("no such column".into()));
            assert_eq!(fault.into_response().status(), 500);
            let gone = || std::io::Error::other("connection reset");
            assert_eq!(Error::from(sqlx::Error::Io(gone())).into_response().status(), 503);
            let gone = tenantkit_grpc::ClientError::Inner("no route to host".into());
            assert_eq!(Status::from(Error::from(gone)).code(), Code::Unavailable);
            // A door's decision is in the audit log, and no fault.
            let refused = Refusal::new(Reason::Expired, Door::Transaction);
            assert_eq!(Error::from(refused).into_response().status(), 401);
        });
        let told = String::from_utf8(told.lock().unwrap().clone()).unwrap();
        for promised in ["no such column", "connection reset", "no route to host"] {
            assert!(told.contains(promised), "{promised}: {told}");
        }
        assert_eq!(told.lines().count(), 3, "{told}");

        struct Told(Arc<Mutex<Vec<u8>>>);

        impl std::io::Write for Told {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    }

    #[test]
    fn a_service_that_did_not_answer_is_as_unavailable_over_grpc_as_over_http() {
        let over_http = tenantkit_grpc::ClientError::Inner("connection refused".into());
        let over_grpc = [
            Status::from_error(Box::new(tonic::TimeoutExpired(()))),
            Status::from_error(Box::new(tonic::ConnectError("connection refused".into()))),
            Status::from_error("the connection broke".into()),
        ];
        let over_grpc = over_grpc.into_iter().map(Error::from);
        for error in over_grpc.chain([Error::from(over_http)]) {
            let refusal = error.refusal().expect("it is answered as a refusal");
            assert_eq!(refusal.reason(), Reason::DependencyUnavailable);
            assert_eq!(error.into_response().status(), 503);
        }
        // What a service answers is its answer, and no failure to get one.
        assert!(matches!(Error::from(Status::unavailable("busy")), Error::Call(_)));
    }

    #[test]
    fn of_what_a_service_says_the_same_is_passed_on_in_both_protocols() {
        for code in (0..=16).map(Code::from_i32).filter(|code| *code != Code::Ok) {
            let mut said = Status::with_details(code, "the secret", "the secret".into());
            said.metadata_mut().insert("x-internal", "the secret".parse().unwrap());
            let told = Status::from(Error::from(said.clone()));
            let answer = Error::from(said).into_response();
            let status = answer.status().as_u16();
            assert_eq!(told.code() == Code::Internal, status == 500, "{code:?}");
            assert!(told.code() == code || told.code() == Code::Internal, "{code:?}");
            assert!(told.details().is_empty() && told.metadata().is_empty(), "{code:?}");
            let meant_for_the_caller = code == Code::InvalidArgument;
            assert_eq!(told.message().contains("secret"), meant_for_the_caller, "{code:?}");
            assert_eq!(read(answer).contains("secret"), meant_for_the_caller, "{code:?}");
        }
    }

    #[test]
    fn a_wrong_argument_is_told() {
        let answer = Error::from(Status::invalid_argument("id: a \"UUID\"")).into_response();
        assert_eq!(answer.status(), 400);
        let problem: serde_json::Value = serde_json::from_str(&read(answer)).unwrap();
        assert_eq!(problem["detail"], "id: a \"UUID\"");
    }

    #[test]
    fn our_own_failed_identity_is_not_the_callers() {
        let refused = |reason: &Reason| Refusal::new(*reason, Door::Request);
        let ours = Reason::ALL.iter().filter(|reason| is_of_our_own_token(**reason));
        let told = ours.map(|reason| Status::from(Error::from(refused(reason))));
        let statuses: Vec<_> = told.chain([Status::unauthenticated("who are you")]).collect();
        assert!(statuses.len() > 10);
        for status in statuses {
            assert_eq!(status.code(), Code::Unauthenticated);
            let answer = Error::from(status.clone()).into_response();
            assert_eq!(answer.status(), 500);
            assert!(!answer.headers().contains_key("www-authenticate"));
            let status = Status::from(Error::from(status));
            assert_eq!((status.code(), status.details()), (Code::Internal, &[][..]));
        }
    }

    fn read(answer: axum_core::response::Response) -> String {
        use http_body_util::BodyExt;
        let body = tenantkit_core::test_util::block_on(answer.into_body().collect());
        String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
    }
}
