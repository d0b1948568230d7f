//! The lint configuration that users copy.

#[test]
fn every_forbidden_method_says_what_to_use_instead() {
    let config: toml::Table = toml::from_str(include_str!("../../../docs/clippy.toml")).unwrap();
    let methods = config["disallowed-methods"].as_array().unwrap();
    let path = |method: &toml::Value| method["path"].as_str().unwrap().to_owned();
    for method in methods {
        assert!(method["reason"].as_str().unwrap().contains(": "), "{method:?}");
        // Who does not depend on the crate is not warned about it.
        let standard = path(method).starts_with("std::");
        assert!(standard || method["allow-invalid"].as_bool() == Some(true), "{method:?}");
    }
    for promised in [
        "tokio::spawn",
        "tokio::task::spawn_blocking",
        "tokio::task::JoinSet::spawn",
        "sqlx::Pool::acquire",
        "sqlx::Pool::begin",
        "rdkafka::producer::FutureProducer::send",
        "rdkafka::producer::ThreadedProducer::send",
    ] {
        assert!(methods.iter().any(|method| path(method) == promised), "{promised}");
    }
}
