//! The quickstart, as the README has it.

use demo::{AUDIENCE, Edge, ISSUER, Issuer, issuer};
use hyper::Method;
use serde_json::json;
use tenantkit::postgres::rls;
use tokio::net::TcpListener;

use crate::support::postgres;

#[expect(unreachable_pub, reason = "an example shows what its user would write")]
#[path = "../../../tenantkit/examples/quickstart.rs"]
mod example;

const SOURCE: &str = include_str!("../../../tenantkit/examples/quickstart.rs");
const README: &str = include_str!("../../../README.md");

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_shows_a_tenant_its_own_rows_and_refuses_the_rest() {
    let database = postgres().fresh_database().unwrap();
    let serving = database.role("serving", "").unwrap();
    let tables = format!(
        "CREATE TABLE documents (tenant_id text NOT NULL, id uuid DEFAULT gen_random_uuid(),
             title text NOT NULL, PRIMARY KEY (tenant_id, id));
         INSERT INTO documents (tenant_id, title) VALUES ('acme', 'plan'), ('globex', 'plot');
         SELECT tenantkit.protect('documents', '{serving}')"
    );
    database.execute(format!("{}{tables}", rls::MIGRATION)).unwrap();
    let idp = Issuer::new("idp-1").unwrap();
    let jwks = json!({ "keys": [idp.public_jwk()] }).to_string();
    let folder = tempfile::TempDir::new().unwrap();
    let audit = folder.path().join("audit.jsonl");
    let app = example::app(&database.url(&serving), &jwks, &audit).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let edge = Edge::at(listener.local_addr().unwrap());
    let served = tokio::spawn(async move { axum::serve(listener, app).await });

    let get = async |headers: &[(&str, &str)]| {
        edge.call(Method::GET, "/v1/documents", headers, None).await.unwrap()
    };
    assert_eq!((ISSUER, AUDIENCE), ("https://id.example", "acmedocs"));
    let bearer = |tenant| format!("Bearer {}", idp.bearer(tenant, "alice", issuer::now()));
    let listed = get(&[("authorization", &bearer("acme"))]).await;
    assert_eq!((listed.status.as_u16(), &*listed.body), (200, r#"["plan"]"#));
    let nobody = get(&[]).await;
    assert_eq!((nobody.status.as_u16(), &*nobody.member("type")), (401, "urn:tenantkit:no-tenant"));
    // It has rows, but no place in the directory.
    let unknown = get(&[("authorization", &bearer("globex"))]).await;
    assert_eq!(unknown.status, 403);
    served.abort();
}

#[test]
fn the_readme_has_the_code_that_is_run_and_no_more_than_forty_lines_of_it() {
    let blocks = README.split("```rust\n").skip(1);
    let mut blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    assert!(
        blocks.any(|block| block.trim() == SOURCE.trim()),
        "README.md differs from the example"
    );
    assert!(SOURCE.lines().count() <= 40, "{} lines", SOURCE.lines().count());
}
