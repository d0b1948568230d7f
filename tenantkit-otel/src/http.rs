//! [`RequestLayer`]: counts each request of a server, over HTTP and gRPC, without anybody remembering it.
//!
//! It stands twice: **inside** the layer that verifies the tenant, where it knows whose request it is, and **outside**
//! of it, where it sees those that were refused before anybody knew. What the inner one has counted, the outer one
//! leaves alone.
//!
//! ```
//! # use std::{convert::Infallible, sync::Arc};
//! # use http::{Request, Response};
//! # use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
//! # use tenantkit_core::{test_util::{TestAuthority, block_on}, TierSet};
//! use tenantkit_otel::{http::RequestLayer, metrics::TenantMetrics, requests::RequestMetrics, top::{Measure, TopTenants}};
//! use tower_service::Service as _;
//!
//! # let test = TestAuthority::new();
//! # let provider = SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default());
//! # let metrics = TenantMetrics::declare(TierSet::METALS).start(provider)?;
//! # #[derive(Clone)] struct Handler;
//! # impl tower_service::Service<Request<String>> for Handler {
//! #     type Response = Response<String>; type Error = Infallible; type Future = std::future::Ready<Result<Response<String>, Infallible>>;
//! #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> { std::task::Poll::Ready(Ok(())) }
//! #     fn call(&mut self, _: Request<String>) -> Self::Future { std::future::ready(Ok(Response::new("hello".to_owned()))) }
//! # }
//! let top = Arc::new(TopTenants::builder().build());
//! let requests = RequestMetrics::new(&metrics.meter("acmedocs"))?;
//! let counted = RequestLayer::new(requests, Arc::clone(test.authority().clock())).top(Arc::clone(&top));
//! // Router::new().route(..).layer(counted.clone()).layer(tenant_layer).layer(counted)
//! let mut service = counted.layer(Handler);
//! # let mut request = Request::new(String::new());
//! # request.extensions_mut().insert(test.context("acme"));
//! let answer = block_on(service.call(request))?;
//! drop(answer); // Read or not: it is over now.
//! assert_eq!(top.current().of(Measure::Requests).total, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod future;
mod service;
mod told;

use std::sync::Arc;

use tenantkit_core::Clock;

pub use body::CountedBody;
pub use future::ResponseFuture;
pub use service::CountedService;

use told::Told;

use crate::{
    latencies::TenantLatencies, refusals::LastRefusals, requests::RequestMetrics, top::TopTenants,
};

/// Counts each request: how it ended and how long it took, by tier; and where they are given, who is heavy, how long
/// the requests of some tenants take, and who was refused last. See the [module](self).
///
/// A request lasts until its answer's body has ended or was dropped. How long it waited for its turn is what its answer
/// says ([`Waited`](tenantkit_core::Waited)), which the limits of `tenantkit-grpc` do.
#[derive(Debug, Clone)]
pub struct RequestLayer(Arc<Told>);

impl RequestLayer {
    /// Counts into these, by this time.
    #[must_use]
    pub fn new(requests: RequestMetrics, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Told { requests, clock, top: None, latencies: None, refusals: None }))
    }

    /// And who is heavy.
    #[must_use]
    pub fn top(self, top: Arc<TopTenants>) -> Self {
        self.with(|told| told.top = Some(top))
    }

    /// And how long the requests of some tenants take.
    #[must_use]
    pub fn latencies(self, latencies: Arc<TenantLatencies>) -> Self {
        self.with(|told| told.latencies = Some(latencies))
    }

    /// And who was refused last.
    #[must_use]
    pub fn refusals(self, refusals: LastRefusals) -> Self {
        self.with(|told| told.refusals = Some(refusals))
    }

    /// Wraps a service. The same as [`Layer::layer`](tower_layer::Layer::layer), without the import.
    pub fn layer<S>(&self, inner: S) -> CountedService<S> {
        CountedService::new(inner, Arc::clone(&self.0))
    }

    fn with(self, change: impl FnOnce(&mut Told)) -> Self {
        let mut told = Arc::unwrap_or_clone(self.0);
        change(&mut told);
        Self(Arc::new(told))
    }
}

impl<S> tower_layer::Layer<S> for RequestLayer {
    type Service = CountedService<S>;

    fn layer(&self, inner: S) -> CountedService<S> {
        self.layer(inner)
    }
}
