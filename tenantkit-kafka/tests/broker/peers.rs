//! Clients in other languages: the same header, the same bytes, in both directions.

use std::{
    fmt::Write as _,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tenantkit_core::{
    Envelopes, KeySet, SigningKey, SystemClock, TierSet, test_util::TestAuthority,
};
use tenantkit_kafka::{Outgoing, TenantConsumer};
use throwaway::tools;

use crate::world::{Running, Seen, World, read};

fn java(world: &World, source: &str, arguments: &[&str]) -> Option<String> {
    let java = tools::or_skip(tools::java())?;
    let jars = tools::or_skip(tools::kafka_jars())?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broker/java");
    let ran = Command::new(java)
        .arg("-XX:TieredStopAtLevel=1")
        .arg("-cp")
        .arg(jars.join("*"))
        .arg(folder.join(source))
        .arg(&world.brokers)
        .args(arguments)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8(ran.stdout).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// A consumer of a topic whose producers do not seal yet.
fn believing(world: &World, topic: &str, dead: &str) -> tenantkit_kafka::TenantConsumerBuilder {
    let key = SigningKey::from_jwk(&world.secret).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    let test = TestAuthority::with(TierSet::METALS, |builder| {
        builder
            .envelopes(Envelopes::new("acmedocs.example", "documents", keys).unwrap())
            .clock(SystemClock::new())
            .dangerous()
            .trust_plain_records()
    });
    let cut_over = test.authority().now().saturating_add(Duration::from_secs(3600));
    TenantConsumer::builder(test.authority())
        .set("bootstrap.servers", &world.brokers)
        .group(&format!("{topic}.group"))
        .topic(topic)
        .dead_letters(dead)
        .dangerous()
        .believe_plain_records(topic, cut_over)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_produce_java_and_kcat_read_byte_for_byte() {
    let Some(world) = World::new() else { return };
    let (topic, _) = world.topics().await;
    let record = Outgoing::to(&topic).key(b"7").payload(b"changed").header("kind", "document");
    world.producer().send(&world.test.context("acme"), record).await.unwrap();
    let ours = &read(&world.brokers, &topic, 1)[0].1;
    let Some(seen) = java(&world, "Consume.java", &[&topic, "1"]) else { return };
    let mut expected = "acme 7 changed".to_owned();
    for header in ours.headers.iter() {
        let name = std::str::from_utf8(header.name).unwrap();
        write!(expected, " {name}={}", hex(header.value.unwrap())).unwrap();
    }
    assert_eq!(seen.trim_end(), expected);
    assert!(expected.contains(" tenant_id=61636d65 tenant_envelope="));

    let Some(kcat) = tools::or_skip(tools::kcat()) else { return };
    let read = Command::new(kcat)
        .args(["-b", &world.brokers, "-t", &topic, "-C", "-e", "-q", "-f", "%h %k %s"])
        .output()
        .unwrap();
    let read = String::from_utf8(read.stdout).unwrap();
    let envelope = ours.headers.iter().find(|header| header.name == b"tenant_envelope").unwrap();
    let envelope = std::str::from_utf8(envelope.value.unwrap()).unwrap();
    assert_eq!(read, format!("tenant_id=acme,tenant_envelope={envelope},kind=document 7 changed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_java_and_kcat_produce_is_handled_as_their_tenants_where_it_is_believed() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    if java(&world, "Produce.java", &[&topic, "7", "from java", "acme"]).is_none() {
        return;
    }
    let Some(kcat) = tools::or_skip(tools::kcat()) else { return };
    let mut writer = Command::new(kcat)
        .args(["-b", &world.brokers, "-t", &topic, "-P", "-K:", "-H", "tenant_id=globex"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(b"8:from kcat\n").unwrap();
    assert!(writer.wait().unwrap().success());

    let records = read(&world.brokers, &topic, 2);
    for tenant in ["acme", "globex"] {
        assert!(records.iter().any(|(_, record)| {
            let headers: Vec<_> = record.headers.iter().map(|it| (it.name, it.value)).collect();
            headers == [(&b"tenant_id"[..], Some(tenant.as_bytes()))]
        }));
    }

    let seen = Seen::default();
    let running = Running::noting(believing(&world, &topic, &dead), &seen);
    seen.wait_for(2).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    let all = seen.all();
    let of = |tenant: &str| all.iter().find(|handled| handled.tenant == tenant).unwrap();
    assert_eq!((of("acme").key.as_str(), of("acme").payload.as_str()), ("7", "from java"));
    assert_eq!((of("globex").key.as_str(), of("globex").payload.as_str()), ("8", "from kcat"));

    // Without the opt-in, neither is anybody's.
    let seen = Seen::default();
    let strict = world.consumer(&topic, &dead).group(&format!("{topic}.strict"));
    let running = Running::noting(strict, &seen);
    let letters = world.dead_letters(&dead, 2).await;
    running.shut_down().await;
    assert_eq!(seen.len(), 0);
    assert!(letters.iter().all(|letter| letter.reason == "not-admitted"));
}
