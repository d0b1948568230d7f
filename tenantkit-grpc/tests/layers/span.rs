//! Spans carry the tenant without anybody adding it.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use tenantkit_core::test_util::block_on;
use tower::{ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;

use crate::world::{World, request};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn what_handler_and_body_log_has_the_tenant_and_its_tier() {
    let world = World::new();
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
    // What another thread comes to first would else be off for all: while there is one subscriber only,
    // tracing-core asks that thread's.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    tracing::subscriber::with_default(subscriber, || {
        let service = world.inner_layer().layer(service_fn(|_: Request<Body>| {
            tracing::info!("from the call");
            async {
                tracing::info!("from the handler");
                let body = http_body_util::Full::new(bytes::Bytes::from_static(b"frame"))
                    .map_frame(|frame| {
                        tracing::info!("from the body");
                        frame
                    });
                Ok::<_, std::convert::Infallible>(Response::new(body))
            }
        }));
        let token = world.txn_token("acme");
        let answer = block_on(service.clone().oneshot(request(&[("txn-token", &token)]))).unwrap();
        tracing::info!("between the two");
        block_on(answer.into_body().collect()).unwrap();
        block_on(service.oneshot(request(&[("txn-token", "forged")]))).unwrap();
    });

    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let of = |what: &str| lines.lines().find(|line| line.contains(what)).unwrap_or("").to_owned();
    for inside in ["from the call", "from the handler", "from the body"] {
        let line = of(inside);
        assert!(
            line.contains("tenant.id=acme") && line.contains(r#"tenant.tier="gold""#),
            "{line}"
        );
    }
    assert!(!of("between the two").contains("acme"));
}
