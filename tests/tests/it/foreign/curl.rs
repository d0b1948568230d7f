//! `curl`: the headers of a refusal, over HTTP/1.1 and HTTP/2.

use std::path::PathBuf;

use demo::World;
use throwaway::tools;

use crate::support::{bearer, run, world, write};

struct Curl {
    program: PathBuf,
    world: World,
}

/// What `curl --include` prints, its header names in lower case as HTTP/2 has them.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Curl {
    async fn start() -> Option<Self> {
        let program = tools::or_skip(tools::apt("curl", "curl"))?;
        Some(Self { program, world: world().await })
    }

    async fn get(&self, version: &str, headers: &[&str]) -> Answer {
        let url = format!("http://{}/v1/documents", self.world.edge_address);
        let mut arguments = vec!["--silent", "--show-error", "--include", version];
        for header in headers {
            arguments.extend(["--header", header]);
        }
        arguments.push(&url);
        let printed = run(&self.program, &arguments).await.printed();
        let (head, body) = printed.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Answer {
            status: status.parse().unwrap(),
            headers: lines.map(header).collect(),
            body: body.to_owned(),
        }
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        Some(value)
    }
}

const VERSIONS: [&str; 2] = ["--http1.1", "--http2-prior-knowledge"];

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_told_how_to_authenticate_and_stores_nothing() {
    let Some(curl) = Curl::start().await else { return };
    for version in VERSIONS {
        let nobody = curl.get(version, &[]).await;
        assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Bearer")));

        let forged = curl.get(version, &["authorization: Bearer a.b.c"]).await;
        let challenge = forged.header("www-authenticate").unwrap();
        assert_eq!(forged.status, 401);
        assert!(challenge.starts_with("Bearer") && challenge.contains("invalid_token"));
        assert!(!forged.body.contains("a.b.c"), "{}", forged.body);

        let header = format!("authorization: {}", bearer(&curl.world, "acme"));
        let twice = curl.get(version, &[&header, &header]).await;
        assert_eq!(twice.status, 401);
        assert!(twice.body.contains("duplicate-header"), "{}", twice.body);

        let header = format!("authorization: {}", bearer(&curl.world, "initech"));
        let suspended = curl.get(version, &[&header]).await;
        assert_eq!((suspended.status, suspended.header("www-authenticate")), (403, None));
        assert!(!suspended.body.contains("initech"), "{}", suspended.body);

        for refusal in [nobody, forged, twice, suspended] {
            assert_eq!(refusal.header("content-type"), Some("application/problem+json"));
            assert_eq!(refusal.header("cache-control"), Some("no-store"));
            assert_eq!(refusal.header("retry-after"), None);
            let problem: serde_json::Value = serde_json::from_str(&refusal.body).unwrap();
            assert_eq!(problem["status"], refusal.status);
            assert!(problem["type"].as_str().unwrap().starts_with("urn:tenantkit:"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_served_the_tenants_own_and_told_that_it_is_private() {
    let Some(curl) = Curl::start().await else { return };
    write(&curl.world, "acme", "Merger plan").await;
    write(&curl.world, "globex", "Doomsday device").await;
    let header = format!("authorization: {}", bearer(&curl.world, "acme"));
    for version in VERSIONS {
        let listed = curl.get(version, &[&header]).await;
        assert_eq!((listed.status, listed.header("cache-control")), (200, Some("private")));
        assert!(listed.body.contains("Merger plan") && !listed.body.contains("Doomsday"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_told_when_to_come_back() {
    let Some(curl) = Curl::start().await else { return };
    let header = format!("authorization: {}", bearer(&curl.world, "acme"));
    curl.world.link.refuse();
    curl.world.link.cut();
    let overloaded = curl.get("--http1.1", &[&header]).await;
    assert_eq!((overloaded.status, overloaded.header("retry-after")), (503, Some("1")));
    assert_eq!(overloaded.header("cache-control"), Some("no-store"));
    assert!(overloaded.body.contains("urn:tenantkit:overloaded"), "{}", overloaded.body);
}
