//! Configuration that would break a promise is refused when the producer is built, with the reason.

use tenantkit_kafka::{BuildError, TenantProducer};

use crate::cluster::World;

#[test]
fn what_would_break_a_promise_is_refused_with_the_reason() {
    let world = World::new();
    let broken = [
        ("acks", "0"),
        ("acks", "1"),
        ("request.required.acks", "1"),
        ("enable.idempotence", "false"),
        ("enable.idempotence", "0"),
        ("max.in.flight", "6"),
        ("max.in.flight.requests.per.connection", "1000000"),
        ("max.in.flight.requests.per.connection", "0"),
        ("retries", "0"),
        ("message.send.max.retries", "0"),
        ("message.timeout.ms", "0"),
        ("delivery.timeout.ms", "0"),
        ("partitioner", "random"),
        ("queue.buffering.max.messages", "10"),
        ("queue.buffering.max.kbytes", "10"),
        ("message.max.bytes", "10"),
        ("transactional.id", "t"),
        ("delivery.report.only.error", "true"),
    ];
    for (setting, value) in broken {
        match world.builder().set(setting, value).build() {
            Err(BuildError::Breaks { name, why }) => {
                assert_eq!(name, setting);
                assert!(!why.is_empty());
            }
            built => panic!("{setting}={value}: {built:?}"),
        }
    }
}

#[test]
fn what_keeps_the_promises_may_be_said() {
    let world = World::new();
    let kept = [
        ("acks", "all"),
        ("acks", "-1"),
        ("enable.idempotence", "true"),
        ("max.in.flight", "5"),
        ("retries", "10"),
        ("message.timeout.ms", "5000"),
        ("delivery.timeout.ms", "5000"),
        ("compression.type", "lz4"),
        ("linger.ms", "50"),
    ];
    for (setting, value) in kept {
        let built = world.builder().set(setting, value).build();
        assert!(built.is_ok(), "{setting}={value}: {built:?}");
    }
}

#[test]
fn what_librdkafka_does_not_know_is_refused_as_well() {
    let world = World::new();
    assert!(matches!(world.builder().set("no.such", "1").build(), Err(BuildError::Client(_))));
    let built = TenantProducer::builder(world.test.authority()).build();
    assert!(matches!(built, Err(BuildError::NoBrokers)));
}

#[test]
fn a_share_that_a_record_does_not_fit_in_is_refused() {
    let world = World::new();
    for (all, share, record) in
        [(100_000, 50_000, 60_000), (100_000, 100_001, 10_000), (10_000, 10_000, 1_000)]
    {
        let builder = world.builder().in_flight(all).in_flight_per_tenant(share);
        let built = builder.max_record_bytes(record).build();
        assert!(matches!(built, Err(BuildError::Share)), "{all} {share} {record}");
    }
}
