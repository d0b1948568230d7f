//! Tokens that PyJWT signs, with keys that pyca/cryptography makes.

use demo::Setup;
use hyper::Method;
use serde_json::Value;
use throwaway::tools;

use crate::support::{run, world_of};

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_accepts_what_another_languages_library_signs() {
    let packages = ["PyJWT==2.10.1", "cryptography==46.0.3"];
    let Some(python) = tools::or_skip(tools::pip_venv("pyjwt", &packages)) else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/foreign/issue.py");
    let printed = run(&python, &[script, demo::ISSUER, demo::AUDIENCE]).await.printed();
    let issued: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let setup = issued.iter().fold(Setup::default(), |it, one| it.idp_key(one["jwk"].clone()));
    let world = world_of(setup).await;

    for one in &issued {
        let algorithm = &one["jwk"]["alg"];
        let refused = ["expired", "other audience", "forged"].map(|token| (token, 401));
        for (token, status) in [("good", 200)].into_iter().chain(refused) {
            let bearer = format!("Bearer {}", one[token].as_str().unwrap());
            let headers = [("authorization", bearer.as_str())];
            let answer = world.edge.call(Method::GET, "/v1/ping", &headers, None).await.unwrap();
            assert_eq!(answer.status, status, "{algorithm}, {token}: {}", answer.body);
            if status == 200 {
                assert_eq!(answer.member("tenant"), "acme");
            }
        }
    }
    assert_eq!(issued.len(), 3);
}
