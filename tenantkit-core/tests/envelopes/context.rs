//! What was opened gives a fresh, short context for each attempt, as the directory stands then.

use std::{collections::HashSet, time::Duration};

use tenantkit_core::{Incarnation, Reason, RefusalCode, Source, TenantStatus};

use crate::common::{NOW, World, after, claims, record};

#[test]
fn a_context_says_who_caused_the_record_and_what_proves_it() {
    let world = World::new();
    let opened = world.open(&world.sign(&claims()), &record()).unwrap();
    assert_eq!(opened.jti().as_str(), "envelope-1");
    assert_eq!(opened.sealed_at(), NOW);
    let context = opened.context().unwrap();
    assert_eq!(context.tenant(), "acme");
    assert_eq!(context.incarnation(), Incarnation::FIRST);
    assert_eq!(context.tier().as_str(), "gold");
    assert_eq!(context.subject().sub().as_str(), "alice");
    assert_eq!(context.actor().unwrap().sub().as_str(), "bob");
    assert_eq!(context.workload().unwrap().as_str(), "edge");
    assert_eq!(context.region().unwrap().as_str(), "eu");
    assert_eq!(context.transaction().as_str(), "txn-1");
    assert_eq!(context.provenance().established_by(), Source::Envelope);
    assert_eq!(context.scopes().count(), 0, "nothing is allowed for later");
}

#[test]
fn the_tier_of_an_envelope_is_a_hint_and_the_directory_decides() {
    let world = World::new();
    let mut claims = claims();
    claims["tctx"]["tier"] = "platinum".into();
    let context = world.open(&world.sign(&claims), &record()).unwrap().context().unwrap();
    assert_eq!(context.tier().as_str(), "gold");
}

#[test]
fn each_attempt_has_a_context_of_its_own_that_is_short() {
    let world = World::with(|it| it.attempt(Duration::from_secs(30)));
    let opened = world.open(&world.seal(&record()), &record()).unwrap();
    let first = opened.context().unwrap();
    assert_eq!(first.expires(), after(30));
    world.test.clock().step_to(after(3600));
    assert_eq!(opened.context().unwrap().expires(), after(3630));
}

#[test]
fn a_context_ends_with_its_envelope_at_the_latest() {
    let world = World::with(|it| it.lifetime(Duration::from_secs(60)));
    let opened = world.open(&world.seal(&record()), &record()).unwrap();
    world.test.clock().step_to(after(50));
    assert_eq!(opened.context().unwrap().expires(), after(60));
    world.test.clock().step_to(after(60));
    assert_eq!(opened.context().unwrap_err().reason(), Reason::Expired);
}

#[test]
fn each_attempt_asks_the_directory() {
    let world = World::new();
    let opened = world.open(&world.seal(&record()), &record()).unwrap();
    let reason = || opened.context().map(drop).map_err(|refusal| refusal.reason());
    assert_eq!(reason(), Ok(()));
    world.test.change("acme", |it| it.status(TenantStatus::Suspended));
    assert_eq!(reason(), Err(Reason::TenantSuspended));
    assert_eq!(opened.context().unwrap_err().code(), RefusalCode::Suspended, "parked");
    world.test.change("acme", |it| it.status(TenantStatus::Moving));
    assert_eq!(reason(), Err(Reason::TenantMoving));
    world.test.change("acme", |it| it.status(TenantStatus::Active));
    assert_eq!(reason(), Ok(()));
    world.test.change("acme", |it| it.incarnation(Incarnation::new(2), NOW));
    assert_eq!(reason(), Err(Reason::StaleIncarnation));
}

#[test]
fn a_tenant_that_is_not_there_is_told_only_after_the_proof() {
    let world = World::new();
    let mut claims = claims();
    claims["tctx"]["tenant"] = "initech".into();
    let envelope = world.sign(&claims);
    let open = |envelope: &str| world.test.authority().open(None, envelope, &record());
    assert_eq!(open(&envelope).unwrap().context().unwrap_err().reason(), Reason::UnknownTenant);
    let signature = envelope.rsplit_once('.').unwrap().1;
    let reversed: String = signature.chars().rev().collect();
    let forged = envelope.replace(signature, &format!("A{}", &reversed[1..]));
    assert_eq!(open(&forged).unwrap_err().code(), RefusalCode::Unverified);
}

#[test]
fn no_two_envelopes_have_one_name() {
    let world = World::new();
    let names: HashSet<String> = (0..1000)
        .map(|_| world.open(&world.seal(&record()), &record()).unwrap().jti().to_string())
        .collect();
    assert_eq!(names.len(), 1000);
}

#[test]
fn sealing_is_a_door_and_checks_again() {
    let world = World::new();
    let context = world.test.context("acme");
    let seal = || world.test.authority().seal(&context, &record()).map_err(|it| it.reason());
    assert!(seal().is_ok());
    world.test.change("acme", |it| it.status(TenantStatus::Suspended));
    assert_eq!(seal().unwrap_err(), Reason::TenantSuspended);
    world.test.change("acme", |it| it.status(TenantStatus::Active));
    world
        .test
        .context("globex")
        .in_scope(|| {
            assert_eq!(seal().unwrap_err(), Reason::ScopeDisagrees);
        })
        .unwrap();
    world.test.clock().advance(Duration::from_secs(300));
    assert_eq!(seal().unwrap_err(), Reason::Expired);
}
