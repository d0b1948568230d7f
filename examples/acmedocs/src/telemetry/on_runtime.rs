//! [`OnRuntime`]: the client of exports over HTTP. The SDK exports on threads of its own, on which the client, which
//! needs a runtime, would panic.

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use tokio::runtime::Handle;

use super::exports::PATIENCE;

#[derive(Debug, Clone)]
pub(super) struct OnRuntime {
    client: HyperClient,
    runtime: Handle,
}

impl OnRuntime {
    /// # Panics
    ///
    /// Outside a runtime of Tokio.
    pub(super) fn new() -> Self {
        let client = HyperClient::with_default_connector(PATIENCE, None);
        Self { client, runtime: Handle::current() }
    }
}

#[tonic::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        // It is nobody's work: what is exported is of many tenants.
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await });
        sent.await?
    }
}
