//! Spans of statements have their tenant, and nothing of what a statement says.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

use crate::postgres::fixture::Fixture;

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
fn each_round_trip_has_a_span_of_its_tenant_and_none_of_the_text() {
    let fixture = Fixture::system();
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(lines.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // What another thread comes to first would else be off for all: while there is one subscriber only,
    // tracing-core asks that thread's.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let pool = fixture.pool().await;
            let acme = fixture.acme();
            let mut tx = pool.begin(&acme).await.unwrap();
            let _: Option<(String,)> =
                sqlx::query_as("SELECT title FROM documents WHERE title <> 'sesame'")
                    .fetch_optional(&mut tx)
                    .await
                    .unwrap();
            tx.commit().await.unwrap();
            let mut tx = pool.begin(&acme).await.unwrap();
            sqlx::query("SELECT 1/0").fetch_one(&mut tx).await.unwrap_err();
            tx.rollback().await.unwrap();
        });
    });

    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for operation in ["BEGIN", "SELECT", "COMMIT", "ROLLBACK"] {
        let of = |line: &&str| line.contains(&format!("db.operation.name=\"{operation}\""));
        let line = lines.lines().find(of).unwrap_or_else(|| panic!("{operation}: {lines}"));
        assert!(line.contains("tenant.id=acme") && line.contains("tenant.tier=\"gold\""), "{line}");
    }
    assert!(lines.contains("error.type=\"22012\""), "{lines}");
    assert!(!lines.contains("sesame"), "{lines}");
}

#[test]
fn waits_for_connections_are_counted() {
    let fixture = Fixture::system();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = fixture.pool().await;
        let acme = fixture.acme();
        let before = pool.stats();
        assert_eq!((before.waits, before.most), (0, 1));
        let first = pool.begin(&acme).await.unwrap();
        let (second, ()) = tokio::join!(pool.begin(&acme), async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            drop(first);
        });
        drop(second.unwrap());
        let after = pool.stats();
        assert_eq!(after.waits, 2);
        assert!(after.waited >= std::time::Duration::from_millis(10), "{after:?}");
    });
}
