//! One axum route, bare and behind layers: what the bench times and what a test counts allocations of.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use axum::{Router, body::Body, routing::get};
use http::{HeaderValue, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::StreamBody;
use tenantkit_core::{
    Algorithm, Authority, Identity, Incarnation, KeySet, KeyTerms, KeyUse, MemoryDirectory,
    SigningKey, Source, Subject, SystemClock, TenantRecord, TierSet, TxnTokens, UnixTime,
    test_util::MemorySink,
};
use tenantkit_grpc::TenantLayer;
use tenantkit_limit::{
    admission::Admission,
    concurrency::Limit,
    limits::{Limits, ResourceLimits},
    policy::{Allowance, LimitPolicy},
    quota::Quota,
};
use tower::{Layer, Service};

/// An authority, and a token that it admits.
pub(crate) struct Setup {
    pub(crate) authority: Authority,
    token: HeaderValue,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let gold = TierSet::METALS.get("gold").unwrap();
        let directory =
            MemoryDirectory::new([("acme".parse().unwrap(), TenantRecord::active(gold))]);
        let terms = KeyTerms::new("k1".parse().unwrap(), KeyUse::Txn, "edge".parse().unwrap());
        let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
        let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
        let tokens = TxnTokens::new("bench", "edge", keys).unwrap().signing(key).unwrap();
        let tokens = tokens.lifetime(std::time::Duration::from_secs(600));
        let now = UnixTime::from(std::time::SystemTime::now());
        let alice = Subject::new("bench".parse().unwrap(), "alice".parse().unwrap());
        let expires = now.saturating_add(std::time::Duration::from_secs(600));
        let identity = Identity::new("acme".parse().unwrap(), alice, expires)
            .incarnation(Incarnation::FIRST)
            .transaction("txn-1".parse().unwrap());
        let token = tokens.issue(&identity, gold, now).unwrap();
        let authority = Authority::builder(TierSet::METALS)
            .txn_tokens(tokens)
            .directory(directory)
            .audit(Arc::new(MemorySink::default()))
            .clock(SystemClock::new())
            .build()
            .unwrap();
        Self { authority, token: HeaderValue::from_str(&token).unwrap() }
    }

    pub(crate) fn layer(&self) -> TenantLayer {
        TenantLayer::new(&self.authority).admit(Source::TxnToken)
    }

    /// A request with a token, whether or not a layer reads it.
    /// All limits at once: by rate, by what the tenant has under way, by what all have, by queueing.
    pub(crate) fn limits(&self, rate: Quota) -> ResourceLimits {
        let each = Allowance::unlimited().rate(rate).in_flight(64);
        let tiers = TierSet::METALS;
        let policy = tiers.iter().fold(LimitPolicy::builder(tiers), |policy, tier| {
            policy.tier("documents", tier.as_str(), each)
        });
        let admission = Admission::builder(tiers).clock(SystemClock::new()).build().unwrap();
        let limits = Limits::builder(&self.authority, policy.build().unwrap())
            .concurrency(|limiter| limiter.global(Limit::fixed(512)))
            .admission(admission)
            .build()
            .unwrap();
        limits.resource("documents").unwrap()
    }

    pub(crate) fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = http::Uri::from_static("/v1/documents");
        request.headers_mut().insert("txn-token", self.token.clone());
        request
    }
}

/// More than a bench can take.
pub(crate) const PLENTY: Quota = Quota::per_second(5_000_000).and_per_minute(200_000_000).declare();
/// One, which is taken before the bench begins.
pub(crate) const ONE: Quota = Quota::per_minute(1).and_per_day(100).declare();

/// The route that everything is compared with.
pub(crate) fn bare() -> Router {
    Router::new().route("/v1/documents", get(async || "documents"))
}

/// A route whose answer is a stream of frames, more than are read ahead.
pub(crate) fn streaming() -> Router {
    let answer = async || {
        let frames = (0..FRAMES).map(|_| Ok::<_, Infallible>(Frame::data("a frame".into())));
        Body::new(StreamBody::new(tokio_stream::iter(frames)))
    };
    Router::new().route("/v1/documents", get(answer))
}

const FRAMES: usize = 8;

/// A layer that does nothing.
#[derive(Clone)]
pub(crate) struct Nothing<S = ()>(S);

pub(crate) const NOTHING: Nothing = Nothing(());

impl<S> Layer<S> for Nothing {
    type Service = Nothing<S>;

    fn layer(&self, inner: S) -> Nothing<S> {
        Nothing(inner)
    }
}

impl<R, S: Service<R>> Service<R> for Nothing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

/// Sends one request and reads the whole answer; nothing in it ever waits.
pub(crate) fn send<S, B>(service: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug>,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut body = pin!(begin(service, request));
    while let Some(frame) = frame(body.as_mut(), &mut cx) {
        frame.unwrap();
    }
}

/// Sends one request. What is not read of its answer yet.
pub(crate) fn begin<S, B>(service: &mut S, request: Request<Body>) -> B
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug>,
{
    let answer = answer(service, request);
    assert_eq!(answer.status(), 200);
    answer.into_body()
}

/// Sends one request that is answered at once.
pub(crate) fn answer<S, B>(service: &mut S, request: Request<Body>) -> Response<B>
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let answer = pin!(service.call(request));
    let Poll::Ready(answer) = answer.poll(&mut cx) else { panic!("it waits") };
    answer.unwrap()
}

pub(crate) fn frame<B: http_body::Body>(
    body: Pin<&mut B>,
    cx: &mut Context<'_>,
) -> Option<Result<Frame<B::Data>, B::Error>> {
    if body.is_end_stream() {
        return None;
    }
    let Poll::Ready(frame) = body.poll_frame(cx) else { panic!("it waits") };
    frame
}
