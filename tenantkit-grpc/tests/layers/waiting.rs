//! A request whose token has to be checked waits for its turn, and is served as if it had not.

use std::{
    convert::Infallible,
    fmt,
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response};
use tenantkit_core::{
    Asserts, Authority, Claim, Identity, IdentitySource, Inbound, MemoryDirectory, Presented,
    Reason, Source, Subject, TenantId, TenantRecord, TierSet, UnixTime, test_util::MemorySink,
};
use tenantkit_grpc::{
    TenantLayer,
    server::{TenantBody, TenantService},
};
use tower::Service;

use crate::world::{current, request};

type Hook = Box<dyn FnOnce() + Send>;

/// A tenant's name is its token, and is checked each time, unless it starts with `known`. While
/// `hooked` is checked, the hook runs.
struct Costly(Arc<Mutex<Option<Hook>>>);

impl IdentitySource for Costly {
    fn source(&self) -> Source {
        Source::Custom("costly")
    }

    fn headers(&self) -> &[&'static str] {
        &["x-token"]
    }

    fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason> {
        let Some(token) = presented.header("x-token") else { return Ok(None) };
        if !token.starts_with("known") {
            presented.costly(|| {
                let hook = self.0.lock().unwrap().take().filter(|_| token == "hooked");
                hook.into_iter().for_each(|hook| hook());
                if token == "bad" { Err(Reason::BadCredential) } else { Ok(()) }
            })?;
        }
        let subject = Subject::new("test".parse().unwrap(), "ann".parse().unwrap());
        let until = now.saturating_add(Duration::from_secs(60));
        let tenant: TenantId = token.parse().map_err(|_| Reason::MalformedHeader)?;
        Ok(Some(Claim::Establishes(Arc::new(Identity::new(tenant, subject, until)))))
    }
}

impl fmt::Debug for Costly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Costly")
    }
}

/// A service that is called only where it was polled ready, and tells for whom.
struct Strict {
    is_ready: bool,
    called: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        // Readiness is the other one's.
        Self { is_ready: false, called: Arc::clone(&self.called) }
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        assert!(request.extensions().get::<tenantkit_core::TenantContext>().is_some());
        self.called.fetch_add(1, SeqCst);
        let body = Body::from(current().unwrap());
        std::future::ready(Ok(Response::new(body)))
    }
}

type Answer = Pin<Box<<TenantService<Strict> as Service<Request<Body>>>::Future>>;

struct Door {
    authority: Authority,
    service: TenantService<Strict>,
    called: Arc<AtomicUsize>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Door {
    fn new(waiting: usize) -> Self {
        let hook = Arc::new(Mutex::new(None));
        let record = TenantRecord::active(TierSet::METALS.get("gold").unwrap());
        let tenants = ["acme", "globex", "hooked", "known"].map(|it| (it.parse().unwrap(), record));
        let authority = Authority::builder(TierSet::METALS)
            .establish(Costly(Arc::clone(&hook)), Asserts::Any)
            .concurrent_checks(NonZeroUsize::MIN)
            .waiting_checks(waiting)
            .directory(MemoryDirectory::new(tenants))
            .audit(MemorySink::default())
            .build()
            .unwrap();
        let called = Arc::new(AtomicUsize::new(0));
        let inner = Strict { is_ready: false, called: Arc::clone(&called) };
        let service = TenantLayer::new(&authority).admit(Source::Custom("costly")).layer(inner);
        Self { authority, service, called, hook }
    }

    /// What the service makes of requests that arrive while another's token is checked.
    fn while_another_is_checked(&self, requests: Vec<Request<Body>>) -> Vec<Answer> {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let (kept, mut service) = (Arc::clone(&answers), self.service.clone());
        *self.hook.lock().unwrap() = Some(Box::new(move || {
            for request in requests {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(service.poll_ready(&mut cx).is_ready());
                let mut answer: Answer = Box::pin(service.call(request));
                let outcome = poll(&mut answer);
                kept.lock().unwrap().push((answer, outcome));
            }
        }));
        let listener = self.authority.listener().admit(Source::Custom("costly"));
        listener.identify(Inbound::new(request(&[("x-token", "hooked")]).headers())).unwrap();
        let answers = std::mem::take(&mut *answers.lock().unwrap());
        answers
            .into_iter()
            .map(|(answer, outcome)| {
                assert!(outcome.is_none(), "it waits");
                answer
            })
            .collect()
    }
}

type Answered = Response<TenantBody<Body>>;

fn poll(answer: &mut Answer) -> Option<Answered> {
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(answer)) => Some(answer),
        Poll::Pending => None,
    }
}

fn of(token: &str) -> Request<Body> {
    request(&[("x-token", token)])
}

#[tokio::test]
async fn who_waits_for_its_turn_is_served_by_the_service_that_was_ready_for_it() {
    let door = Door::new(10);
    let mut answers = door.while_another_is_checked(vec![of("acme"), of("globex")]);
    assert_eq!(door.called.load(SeqCst), 0);
    assert!(poll(&mut answers[1]).is_none(), "the first is first");
    for (answer, tenant) in answers.iter_mut().zip(["acme", "globex"]) {
        let answer = poll(answer).unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(crate::world::text(answer).await, tenant);
    }
    assert_eq!(door.called.load(SeqCst), 2);
}

#[tokio::test]
async fn whose_token_does_not_hold_after_the_wait_is_refused() {
    let door = Door::new(10);
    let answers = door.while_another_is_checked(vec![of("bad")]);
    for mut answer in answers {
        let answer = poll(&mut answer).unwrap();
        assert_eq!(answer.status(), 401);
        assert!(crate::world::text(answer).await.contains("bad-credential"));
    }
    assert_eq!(door.called.load(SeqCst), 0);
}

#[test]
fn who_goes_away_while_it_waits_is_not_served_and_keeps_nobody_waiting() {
    let door = Door::new(10);
    let mut answers = door.while_another_is_checked(vec![of("acme"), of("acme"), of("globex")]);
    drop(answers.remove(1));
    // Its turn has come, and it has not been polled since.
    drop(answers.remove(0));
    assert_eq!(poll(&mut answers[0]).unwrap().status(), 200);
    assert_eq!(door.called.load(SeqCst), 1);
}

#[test]
fn a_known_token_does_not_wait_and_a_full_line_is_told_in_each_protocol() {
    let door = Door::new(0);
    let (kept, mut service) = (Arc::new(Mutex::new(Vec::new())), door.service.clone());
    let answers = Arc::clone(&kept);
    *door.hook.lock().unwrap() = Some(Box::new(move || {
        let mut grpc = of("acme");
        *grpc.method_mut() = http::Method::POST;
        grpc.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        for request in [of("known"), of("acme"), grpc] {
            assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
            answers.lock().unwrap().push(poll(&mut Box::pin(service.call(request))).unwrap());
        }
    }));
    let listener = door.authority.listener().admit(Source::Custom("costly"));
    listener.identify(Inbound::new(of("hooked").headers())).unwrap();
    let answers = kept.lock().unwrap();
    let [known, http, grpc] = &answers[..] else { panic!("three answers") };
    assert_eq!(known.status(), 200);
    assert_eq!(
        (http.status().as_u16(), &http.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(
        (grpc.status().as_u16(), &grpc.headers()["grpc-status"]),
        (200, &"14".parse().unwrap())
    );
    assert_eq!(door.called.load(SeqCst), 1);
}
