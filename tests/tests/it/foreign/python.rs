//! A Python program over grpcio, the C++ implementation of gRPC.

use demo::issuer;
use serde_json::Value;
use throwaway::tools;

use super::PROTO;
use crate::support::{run, world, write};

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_with_raw_metadata_is_served_and_refused_as_ours_is() {
    let Some(python) = tools::or_skip(tools::python()) else { return };
    let world = world().await;
    write(&world, "globex", "Doomsday device").await;
    let now = issuer::now();
    let token = world.services.txn_token("acme", "alice", now);
    let expired = world.services.txn_token("acme", "alice", now - 3600);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/foreign/client.py");
    let address = world.documents_address.to_string();
    let generated = tempfile::TempDir::new().unwrap();
    let generated = generated.path().to_str().unwrap();
    let printed = run(&python, &[script, PROTO, generated, &address, &token, &expired]).await;
    let told: Value = serde_json::from_str(&printed.printed()).unwrap();

    assert_eq!(told["created"], "Merger plan");
    assert_eq!(told["streamed"], serde_json::json!(["Merger plan"]));
    for (call, code, reason) in [
        ("no token", "UNAUTHENTICATED", "NO_TENANT"),
        ("expired", "UNAUTHENTICATED", "UNVERIFIED"),
        ("expired stream", "UNAUTHENTICATED", "UNVERIFIED"),
        ("two tokens", "UNAUTHENTICATED", "UNVERIFIED"),
        ("x_tenant_id", "UNAUTHENTICATED", "UNVERIFIED"),
    ] {
        assert_eq!(told[call]["code"], code, "{call}: {told}");
        assert_eq!(told[call]["reason"], reason, "{call}: {told}");
        assert_eq!(told[call]["initial metadata"], false, "{call} is not trailers-only: {told}");
    }
}
