//! A mistake in the configuration stops the service before it listens, with the key that is wrong and
//! what it may be.

use std::{fs, net::TcpListener, process::Command};

use acmedocs::{Config, authority, start};
use demo::{Acmedocs, Issuer, World};
use serde_json::json;
use tempfile::TempDir;

const GOOD: &str = r#"
trust_domain = "acmedocs.example"
txn_keys = "services.jwks"
[edge]
listen = "127.0.0.1:0"
audit_log = "edge-audit.jsonl"
workload = "edge"
issuer = "https://id.example"
audience = "acmedocs"
issuer_keys = "idp.jwks"
signing_key = "edge.jwk"
documents_url = "http://127.0.0.1:50051"
[documents]
listen = "127.0.0.1:0"
audit_log = "documents-audit.jsonl"
workload = "documents"
database_url = "postgres://serving@127.0.0.1:1/none"
owner_url = "postgres://owner@127.0.0.1:1/none"
[tenants]
acme = { tier = "gold" }
"#;

/// A folder with a configuration and the keys that it names.
struct Folder(TempDir);

impl Folder {
    fn new(config: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        let (idp, services) = (Issuer::new("idp-1").unwrap(), Issuer::new("edge-1").unwrap());
        folder.write("idp.jwks", &json!({ "keys": [idp.public_jwk()] }).to_string());
        folder.write("services.jwks", &json!({ "keys": [services.service_jwk()] }).to_string());
        folder.write("edge.jwk", &services.private_service_jwk().to_string());
        let mut config = config.to_owned();
        for file in ["services.jwks", "idp.jwks", "edge.jwk", "edge-audit", "documents-audit"] {
            let absolute = folder.0.path().join(file);
            config = config.replace(&format!("\"{file}"), &format!("\"{}", absolute.display()));
        }
        folder.write("acmedocs.toml", &config);
        folder
    }

    fn write(&self, file: &str, content: &str) {
        fs::write(self.0.path().join(file), content).unwrap();
    }

    fn config(&self) -> String {
        self.0.path().join("acmedocs.toml").display().to_string()
    }
}

/// What is said of the good configuration with one thing in it changed.
fn said(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let folder = Folder::new(&GOOD.replacen(from, to, 1));
    Config::load(&folder.config()).unwrap_err().to_string()
}

#[test]
fn the_good_one_is_good() {
    let folder = Folder::new(GOOD);
    let config = Config::load(&folder.config()).unwrap();
    assert_eq!(config.documents.max_connections.get(), 16);
    authority::edge(&config).unwrap();
    authority::documents(&config).unwrap();
}

#[test]
fn a_mistake_in_the_file_is_told_with_the_key_and_what_it_may_be() {
    let mut wrong = Vec::new();
    for (from, to, promised) in [
        ("trust_domain = \"acmedocs.example\"", "", &["trust_domain"][..]),
        ("listen = \"127.0.0.1:0\"\n", "", &["edge.listen", "missing"]),
        ("[tenants]\nacme = { tier = \"gold\" }", "", &["tenants", "missing"]),
        ("trust_domain", "trust_domian", &["trust_domian", "trust_domain"]),
        ("workload = \"edge\"", "workload = \"edge\"\ncolour = 1", &["edge", "colour", "listen"]),
        ("\"127.0.0.1:0\"", "\"nowhere\"", &["edge.listen", "127.0.0.1:8080"]),
        ("\"127.0.0.1:0\"", "8080", &["edge.listen", "127.0.0.1:8080"]),
        (
            "[tenants]",
            "max_connections = \"many\"\n[tenants]",
            &["documents.max_connections", "integer"],
        ),
        (
            "[tenants]",
            "max_connections = -1\n[tenants]",
            &["documents.max_connections", "unsigned"],
        ),
        ("[tenants]", "max_connections = 0\n[tenants]", &["documents.max_connections", "nonzero"]),
        ("workload = \"edge\"", "workload = []", &["edge.workload", "string"]),
        ("\"gold\" }", "\"wood\" }", &["tenants.acme.tier", "bronze, silver, gold, platinum"]),
        ("{ tier = \"gold\" }", "{}", &["tenants.acme", "tier", "missing"]),
        ("\"gold\" }", "\"gold\", suspended = \"perhaps\" }", &["tenants.acme.suspended", "bool"]),
        ("acme =", "\"Acme!\" =", &["tenants", "place 1", "not a tenant id"]),
        ("acme =", "system =", &["tenants", "place 1", "reserved"]),
        ("[edge]", "[edge", &["acmedocs.toml", "line 4"]),
        ("[edge]", "limits = []\n[edge]", &["limits", "string"]),
        ("[edge]", "[capacity]\nglobal_in_flight = 8\n[edge]", &["capacity", "limits as well"]),
        ("[edge]", "[capacity]\n[edge]", &["capacity.global_in_flight", "missing"]),
        (
            "[tenants]",
            "connections_per_tenant_percent = 101\n[tenants]",
            &["documents.connections_per_tenant_percent", "1 to 100"],
        ),
        (
            "[tenants]",
            "connections_per_tenant_percent = 0\n[tenants]",
            &["documents.connections_per_tenant_percent", "nonzero"],
        ),
        (
            "[tenants]",
            "statement_timeout_ms = { wood = 1 }\n[tenants]",
            &["documents.statement_timeout_ms", "bronze, silver, gold, platinum"],
        ),
        (
            "[tenants]",
            "statement_timeout_ms = { gold = 0 }\n[tenants]",
            &["documents.statement_timeout_ms", "nonzero"],
        ),
    ] {
        let said = said(from, to);
        let missing = promised.iter().filter(|promised| !said.contains(**promised));
        wrong.extend(missing.map(|promised| format!("{to}: {promised:?} is not in {said}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_capacity_that_contradicts_itself_is_told_with_the_key_and_what_it_may_be() {
    for (capacity, promised) in [
        ("global_in_flight = 0", &["capacity.global_in_flight", "nonzero"][..]),
        ("global_in_flight = \"many\"", &["capacity.global_in_flight", "integer"]),
        (
            "global_in_flight = 8\nadaptive_up_to = 7",
            &["capacity.adaptive_up_to", "capacity.global_in_flight or more"],
        ),
        (
            "global_in_flight = 8\nshed_after_ms = 81",
            &["capacity.shed_all_after_ms", "capacity.shed_after_ms or more"],
        ),
        ("global_in_flight = 8\nshed_after_ms = 0", &["capacity.shed_after_ms", "nonzero"]),
        ("global_in_flight = 8\nseats = 1", &["seats", "global_in_flight"]),
    ] {
        let to = format!("limits = \"limits.toml\"\n[capacity]\n{capacity}\n[edge]");
        let said = said("[edge]", &to);
        assert!(promised.iter().all(|it| said.contains(it)), "{capacity}: {said}");
    }
}

/// What makes the good one tell its changes.
const KAFKA: &str = r#"[kafka]
brokers = "127.0.0.1:9092"
topic = "documents.changed"
dead_letter_topic = "documents.changed.dead"
group = "indexer"
envelope_keys = "envelopes.jwks"
signing_key = "envelope.jwk"
[tenants]"#;

#[test]
fn a_kafka_that_is_none_is_told_with_the_key_and_what_it_may_be() {
    for (from, to, promised) in [
        ("topic = \"documents.changed\"\n", "", &["kafka.topic", "missing"][..]),
        ("group =", "colour = 1\ngroup =", &["colour", "dead_letter_topic"]),
        ("127.0.0.1:9092", "127.0.0.1", &["kafka.brokers", "host:9092,other:9092"]),
        ("127.0.0.1:9092", "a:1,:2", &["kafka.brokers", "host:9092,other:9092"]),
        ("\"documents.changed\"", "\"documents changed\"", &["kafka.topic", "1 to 249"]),
        ("changed.dead\"", "changed:dead\"", &["kafka.dead_letter_topic", "1 to 249"]),
        ("changed.dead\"", "changed\"", &["kafka.dead_letter_topic", "any but kafka.topic"]),
        ("\"indexer\"", "\"\"", &["kafka.group", "the empty one"]),
        ("\"indexer\"", "[]", &["kafka.group", "string"]),
    ] {
        assert!(KAFKA.contains(from), "{from}");
        let said = said("[tenants]", &KAFKA.replacen(from, to, 1));
        assert!(promised.iter().all(|it| said.contains(it)), "{to}: {said}");
    }
}

#[test]
fn a_key_of_kafka_that_is_none_is_told_by_its_key() {
    let (good, other) = (Issuer::new("documents-1").unwrap(), Issuer::new("documents-2").unwrap());
    let set = |jwk| json!({ "keys": [jwk] }).to_string();
    let (keys, key) = (set(good.envelope_jwk()), good.private_envelope_jwk().to_string());
    let said = |keys: &str, key: &str| {
        let config = GOOD.replacen("[tenants]", KAFKA, 1);
        let folder = Folder::new(&config);
        let mut config = Config::load(&folder.config()).unwrap();
        folder.write("envelopes.jwks", keys);
        folder.write("envelope.jwk", key);
        let kafka = config.kafka.as_mut().unwrap();
        kafka.envelope_keys = folder.0.path().join("envelopes.jwks");
        kafka.signing_key = folder.0.path().join("envelope.jwk");
        let said = authority::documents(&config).err().map(|error| error.to_string());
        assert!(authority::edge(&config).is_ok(), "the edge has nothing to do with them");
        said
    };
    assert_eq!(said(&keys, &key), None);
    for (keys, key, promised) in [
        ("{}", &*key, "kafka.envelope_keys: "),
        (&set(good.private_envelope_jwk()), &key, "kafka.envelope_keys: "),
        (&keys, "no JSON", "kafka.signing_key: "),
        (&keys, &good.envelope_jwk().to_string(), "kafka.signing_key: "),
        (&keys, &good.private_service_jwk().to_string(), "kafka.signing_key: "),
        (&keys, &other.private_envelope_jwk().to_string(), "kafka.signing_key: "),
    ] {
        let said = said(keys, key).unwrap();
        assert!(said.starts_with(promised), "{promised}{said}");
        assert!(!said.contains(good.private_envelope_jwk()["d"].as_str().unwrap()));
    }
}

#[test]
fn the_limits_are_beside_the_configuration_that_names_them() {
    let folder = Folder::new(&GOOD.replacen("[edge]", "limits = \"limits.toml\"\n[edge]", 1));
    let config = Config::load(&folder.config()).unwrap();
    assert_eq!(config.limits.unwrap(), folder.0.path().join("limits.toml"));
    let folder = Folder::new(&GOOD.replacen("[edge]", "limits = \"/etc/limits.toml\"\n[edge]", 1));
    let config = Config::load(&folder.config()).unwrap();
    assert_eq!(config.limits.unwrap().to_string_lossy(), "/etc/limits.toml");
}

#[test]
fn a_database_that_is_none_is_told_without_its_password() {
    for key in ["database_url", "owner_url"] {
        for url in ["mysql://a:pass4711@b/c", "postgres://a:pass4711@b:port/c", "pass4711"] {
            let to = format!("{key} = \"{url}\" #");
            let said = said(&format!("{key} ="), &to);
            assert!(said.contains(&format!("documents.{key}")), "{url}: {said}");
            assert!(said.contains("postgres://user:password@host:5432/name"), "{url}: {said}");
            assert!(!said.contains("pass4711"), "{said}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let said = Config::load("/nowhere/acmedocs.toml").unwrap_err().to_string();
    assert!(said.contains("/nowhere/acmedocs.toml") && said.contains("not found"), "{said}");
}

#[test]
fn a_file_that_the_configuration_names_is_told_by_its_key() {
    let services = Issuer::new("edge-1").unwrap();
    let other = Issuer::new("edge-2").unwrap();
    let mut of_another = services.private_service_jwk();
    of_another["tenantkit_workload"] = "documents".into();
    let mut for_jobs = services.private_service_jwk();
    for_jobs["tenantkit_use"] = "job".into();
    let private_set = json!({ "keys": [services.private_service_jwk()] });
    let private_idp = json!({ "keys": [other.private_service_jwk()] });
    let no_kid = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "AA" }] });
    let cases = [
        ("edge.jwk", "no JSON".to_owned(), "edge.signing_key"),
        ("edge.jwk", services.service_jwk().to_string(), "edge.signing_key"),
        ("edge.jwk", of_another.to_string(), "edge.signing_key"),
        ("edge.jwk", for_jobs.to_string(), "edge.signing_key"),
        ("idp.jwks", "{}".to_owned(), "edge.issuer_keys"),
        ("idp.jwks", private_idp.to_string(), "edge.issuer_keys"),
        ("services.jwks", no_kid.to_string(), "txn_keys"),
        ("services.jwks", private_set.to_string(), "txn_keys"),
    ];
    for (file, content, key) in cases {
        let folder = Folder::new(GOOD);
        folder.write(file, &content);
        let config = Config::load(&folder.config()).unwrap();
        let said = authority::edge(&config).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{key}: ")), "{file} is {content}: {said}");
        let secret = services.private_service_jwk()["d"].as_str().unwrap().to_owned();
        assert!(!said.contains(&secret), "{said}");
    }
    for (file, key) in [("services.jwks", "txn_keys"), ("idp.jwks", "edge.issuer_keys")] {
        let folder = Folder::new(GOOD);
        fs::remove_file(folder.0.path().join(file)).unwrap();
        let config = Config::load(&folder.config()).unwrap();
        let said = authority::edge(&config).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{key}: ")) && said.contains(file), "{said}");
    }
    for (from, key) in [
        ("\"edge-audit.jsonl\"", "edge.audit_log"),
        ("workload = \"edge\"", "edge.workload"),
        ("\"acmedocs.example\"", "trust_domain"),
    ] {
        let to = match key {
            "edge.audit_log" => "\"/nowhere/audit.jsonl\"",
            "edge.workload" => "workload = \"\"",
            _ => "\"a\\nb\"",
        };
        let folder = Folder::new(&GOOD.replacen(from, to, 1));
        let config = Config::load(&folder.config()).unwrap();
        let said = authority::edge(&config).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{key}: ")), "{to}: {said}");
    }
}

#[test]
fn the_environment_stands_over_the_file() {
    let folder = Folder::new(GOOD);
    for (variable, value, promised) in [
        ("ACMEDOCS__TENANTS__ACME__TIER", "wood", "tenants.acme.tier may be one of"),
        ("ACMEDOCS__EDGE__LISTEN", "nowhere", "edge.listen"),
        ("ACMEDOCS__DOCUMENTS__MAX_CONNECTIONS", "many", "documents.max_connections"),
        ("ACMEDOCS__EDGE__COLOUR", "red", "colour"),
        ("ACMEDOCS__EDGE__SIGNING_KEY", "/nowhere/edge.jwk", "edge.signing_key"),
        ("ACMEDOCS__LIMITS", "nowhere.toml", "limits: cannot read "),
        ("ACMEDOCS__CAPACITY__GLOBAL_IN_FLIGHT", "none", "capacity.global_in_flight"),
    ] {
        let ended = Command::new(env!("CARGO_BIN_EXE_acmedocs"))
            .arg(folder.config())
            .env(variable, value)
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.starts_with("acmedocs: ") && said.contains(promised), "{variable}: {said}");
    }
}

/// What `start` says to a world's configuration with one thing in it changed.
async fn refused(world: &World, change: impl FnOnce(&mut Config)) -> String {
    let file = world.folder().join("acmedocs.toml");
    let mut config = Config::load(&file.to_string_lossy()).unwrap();
    config.edge.listen.set_port(0);
    config.documents.listen.set_port(0);
    change(&mut config);
    start(&config).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_shows_at_the_start_is_told_by_its_key_as_well() {
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let admin = world.database.admin_url();
    let nowhere = "postgres://nobody@127.0.0.1:1/none";

    let said = refused(&world, |it| it.edge.listen = taken).await;
    assert!(said.starts_with("edge.listen: ") && said.contains(&taken.to_string()), "{said}");
    let said = refused(&world, |it| it.documents.listen = taken).await;
    assert!(said.starts_with("documents.listen: "), "{said}");
    let said = refused(&world, |it| it.documents.database_url = admin.clone()).await;
    assert!(said.starts_with("documents.database_url: "), "{said}");
    assert!(said.contains("superuser") || said.contains("SUPERUSER"), "{said}");
    let said = refused(&world, |it| it.documents.database_url = nowhere.into()).await;
    assert!(said.starts_with("documents.database_url: "), "{said}");
    let said = refused(&world, |it| it.documents.owner_url = nowhere.into()).await;
    assert!(said.starts_with("documents.owner_url: "), "{said}");
    // The migration is audited before it runs, or it does not run.
    let said = refused(&world, |it| it.documents.audit_log = "/dev/full".into()).await;
    assert_eq!(said, "cannot migrate: grant refused: the audit log cannot be written");
    let said = refused(&world, |it| it.edge.documents_url = "not a url".into()).await;
    assert!(said.starts_with("edge.documents_url") && said.contains("http://"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_bypasses_row_level_security_does_not_serve() {
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    world.database.execute(format!("ALTER ROLE {} BYPASSRLS", world.serving_role)).unwrap();
    let said = refused(&world, |_| ()).await;
    let mends = format!("ALTER ROLE {} NOBYPASSRLS", world.serving_role);
    assert!(said.starts_with("documents.database_url: "), "{said}");
    assert!(said.contains("BYPASSRLS") && said.replace('"', "").contains(&mends), "{said}");
}
