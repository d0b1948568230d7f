//! The path of a request, where a route is asked for.

use tenantkit_otel::{labels, metrics::Counter};

labels! {
    /// Which way it went.
    enum Route: "http.route" {
        /// All documents.
        Documents = "/v1/documents",
    }
}

fn count(requests: &Counter<Route>, path: &str) {
    requests.add(1, path);
}

fn main() {}
