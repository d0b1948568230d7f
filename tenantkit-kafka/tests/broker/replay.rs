//! Dead letters go back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tenantkit_kafka::{Failure, Outgoing, Replay, ReplayBuilder};

use crate::{
    raw,
    world::{Running, Seen, World, read},
};

fn replay(world: &World, dead: &str) -> ReplayBuilder {
    Replay::builder(world.authority())
        .set("bootstrap.servers", &world.brokers)
        .dead_letters(dead)
        .per_second(1000)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mended_goes_back_by_tenant_and_reason_and_is_handled_as_the_same_record() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme", "globex"], 20, 4).await;
    // Nobody's, and it stays that.
    raw::produce(&raw::producer(&world.brokers), &topic, &[(b"tenant_id", Some(b"acme"))]);
    let (seen, is_mended) = (Seen::default(), Arc::new(AtomicBool::new(false)));
    let (noting, mended) = (seen.clone(), Arc::clone(&is_mended));
    let running = Running::start(world.consumer(&topic, &dead), move |tenant, record| {
        let (seen, is_mended) = (noting.clone(), mended.load(SeqCst));
        async move {
            if record.key() == Some(b"0") && !is_mended {
                return Err(Failure::permanent("no-index"));
            }
            seen.note(&tenant, &record);
            Ok(())
        }
    });
    seen.wait_for(30).await;
    assert_eq!(world.dead_letters(&dead, 11).await.len(), 11);
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    is_mended.store(true, SeqCst);

    let dry = replay(&world, &dead).dry().build().unwrap().run().await.unwrap();
    assert_eq!((dry.read, dry.replayed, dry.refused), (11, 10, 1));
    assert_eq!(dry.reasons["not-admitted"], 1);
    assert_eq!(seen.len(), 30);

    let acme = "acme".parse().unwrap();
    let replayed =
        replay(&world, &dead).tenant(acme).reason("no-index").build().unwrap().run().await.unwrap();
    assert_eq!((replayed.replayed, replayed.others, replayed.refused), (5, 6, 0));
    seen.wait_for(35).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    let all = seen.all();
    assert!(all[30..].iter().all(|handled| handled.tenant == "acme" && handled.key == "0"));
    let payloads: Vec<&str> = all[30..].iter().map(|handled| handled.payload.as_str()).collect();
    assert_eq!(payloads, ["0", "4", "8", "12", "16"]);

    // Byte for byte what was there before: nothing was signed anew.
    let records = read(&world.brokers, &topic, 46);
    let of = |at: usize| {
        let (_, record) = &records[at];
        (&record.key, &record.payload, &record.headers)
    };
    let is_again = |at: usize| (0..at).any(|before| of(before) == of(at));
    assert_eq!((0..46).filter(|at| is_again(*at)).count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_for_its_identity_goes_back_only_when_it_verifies() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    // The consumer's directory does not have the tenant yet.
    let silver = tenantkit_core::TierSet::METALS.get("silver").unwrap();
    let elsewhere =
        World { test: crate::world::authority(&world.secret), ..World::at(&world.brokers) };
    let newcomer: tenantkit_core::TenantId = "newcomer".parse().unwrap();
    elsewhere.test.directory().set(newcomer, tenantkit_core::TenantRecord::active(silver));
    let context = elsewhere.test.context("newcomer");
    let record = Outgoing::to(&topic).key(b"k").payload(b"1");
    elsewhere.producer().send(&context, record).await.unwrap();

    let seen = Seen::default();
    let running = Running::noting(world.consumer(&topic, &dead), &seen);
    let letters = world.dead_letters(&dead, 1).await;
    assert_eq!(letters[0].reason, "unknown-tenant");
    let refused = replay(&world, &dead).build().unwrap().run().await.unwrap();
    assert_eq!((refused.replayed, refused.refused), (0, 1));

    world.test.directory().set(newcomer, tenantkit_core::TenantRecord::active(silver));
    let replayed = replay(&world, &dead).build().unwrap().run().await.unwrap();
    assert_eq!((replayed.replayed, replayed.refused), (1, 0));
    seen.wait_for(1).await;
    running.shut_down().await;
    assert_eq!(seen.all()[0].tenant, "newcomer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_keeps_its_pace() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme"], 20, 4).await;
    let consumer = world.consumer(&topic, &dead);
    let running = Running::start(consumer, |_, _| async { Err(Failure::permanent("no-index")) });
    assert_eq!(world.dead_letters(&dead, 20).await.len(), 20);
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    let start = std::time::Instant::now();
    let replayed = replay(&world, &dead).per_second(20).build().unwrap().run().await.unwrap();
    assert_eq!(replayed.replayed, 20);
    assert!(start.elapsed() >= std::time::Duration::from_millis(19 * 50));
}
