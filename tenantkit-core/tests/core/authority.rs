//! A door checks again.

use std::time::Duration;

use tenantkit_core::{
    Asserts, AuditAction, Authority, Door, Incarnation, MemoryDirectory, Reason, RefusalCode,
    RoutingEpoch, TenantContext, TenantDirectory, TenantRecord, TenantStatus, TierSet, UnixTime,
    test_util::MemorySink,
};

use crate::world::{LIFE, START, Says, World, id};

fn check(world: &World, context: &TenantContext) -> Result<(), Reason> {
    let outcome = world.authority.check(context, Door::Transaction);
    if let Err(refusal) = outcome {
        assert_eq!(refusal.door(), Door::Transaction);
        let event = world.last_event();
        assert_eq!(event.action, AuditAction::Refused(refusal));
        assert_eq!(event.tenant, Some(*context.tenant()));
        assert_eq!(event.transaction.as_ref(), Some(context.transaction()));
    }
    outcome.map_err(|refusal| refusal.reason())
}

#[test]
fn a_good_context_passes_and_leaves_no_event() {
    let world = World::new();
    let acme = world.context("acme");
    assert_eq!(check(&world, &acme), Ok(()));
    assert!(world.sink.events().is_empty());
}

#[test]
fn a_context_expires_at_that_very_millisecond() {
    let world = World::new();
    let acme = world.context("acme");
    world.clock.advance(LIFE - Duration::from_millis(1));
    assert_eq!(check(&world, &acme), Ok(()));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(check(&world, &acme), Err(Reason::Expired));
}

#[test]
fn a_tenant_that_was_suspended_moved_or_removed_since_is_refused() {
    let world = World::new();
    let acme = world.context("acme");
    world.change("acme", |record| record.status(TenantStatus::Suspended));
    assert_eq!(check(&world, &acme), Err(Reason::TenantSuspended));
    world.change("acme", |record| record.status(TenantStatus::Moving));
    assert_eq!(check(&world, &acme), Err(Reason::TenantMoving));
    world.change("acme", |record| record.status(TenantStatus::Active));
    assert_eq!(check(&world, &acme), Ok(()));
    world.directory.tenants.remove(&id("acme"));
    assert_eq!(check(&world, &acme), Err(Reason::UnknownTenant));
}

#[test]
fn a_tenant_that_was_created_again_since_is_another_one() {
    let world = World::new();
    let acme = world.context("acme");
    world.change("acme", |record| record.incarnation(Incarnation::FIRST.next(), START));
    assert_eq!(check(&world, &acme), Err(Reason::StaleIncarnation));
    assert!(!acme.is_same_tenant(&world.context("acme")));
}

#[test]
fn a_directory_past_its_staleness_is_overloaded_and_never_a_guess() {
    let world = World::of(|builder| {
        builder.establish(Says::word(), Asserts::Any).max_staleness(Duration::from_secs(10))
    });
    let acme = world.context("acme");
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(check(&world, &acme), Ok(()));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(check(&world, &acme), Err(Reason::StaleDirectory));
    assert_eq!(Reason::StaleDirectory.code(), RefusalCode::Overloaded);
    let refusal = world.identify(&[Says::WORD], &[("x-word", "acme")]).unwrap_err();
    assert_eq!(refusal.reason(), Reason::StaleDirectory);
    world.directory.tenants.confirm(world.clock_now());
    assert_eq!(check(&world, &acme), Ok(()));
}

#[test]
fn a_directory_out_of_the_future_is_as_little_believed_as_an_old_one() {
    let bound = Duration::from_secs(10);
    let world =
        World::of(|builder| builder.establish(Says::word(), Asserts::Any).max_staleness(bound));
    let acme = world.context("acme");
    world.clock.step_to(START.saturating_sub(bound));
    assert_eq!(check(&world, &acme), Ok(()));
    // The clock was stepped back: a directory that nobody refreshes must not count as fresh until it
    // has caught up.
    world.clock.step_to(START.saturating_sub(bound + Duration::from_millis(1)));
    assert_eq!(check(&world, &acme), Err(Reason::StaleDirectory));
}

impl World {
    fn clock_now(&self) -> UnixTime {
        self.authority.now()
    }
}

#[test]
fn another_authoritys_context_passes_no_door_here() {
    let (world, other) = (World::new(), World::new());
    let foreign = other.context("acme");
    assert_eq!(check(&world, &foreign), Err(Reason::ForeignAuthority));
    assert_eq!(Reason::ForeignAuthority.code(), RefusalCode::Unverified);
    assert!(!foreign.is_same_tenant(&world.context("acme")));
    // A clone is the same authority.
    let clone = world.authority.clone();
    assert_eq!(clone.check(&world.context("acme"), Door::Key), Ok(()));
}

#[test]
fn what_is_in_flight_is_looked_at_without_an_event_whatever_the_time_and_the_scope() {
    let (world, other) = (World::new(), World::new());
    let (acme, globex) = (world.context("acme"), world.context("globex"));
    world.clock.advance(LIFE);
    assert_eq!(world.authority.still_acts(&acme), Ok(()));
    world.change("acme", |record| record.status(TenantStatus::Suspended));
    assert_eq!(world.authority.still_acts(&acme), Err(Reason::TenantSuspended));
    assert_eq!(world.authority.still_acts(&globex), Ok(()));
    let again = |record: TenantRecord| record.incarnation(Incarnation::FIRST.next(), START);
    world.change("acme", again);
    assert_eq!(world.authority.still_acts(&acme), Err(Reason::StaleIncarnation));
    let foreign = other.context("globex");
    assert_eq!(world.authority.still_acts(&foreign), Err(Reason::ForeignAuthority));
    let globex = world.context("globex");
    let inside = globex.in_scope(|| world.authority.still_acts(&acme)).unwrap();
    assert_eq!(inside, Err(Reason::StaleIncarnation));
    assert!(world.sink.events().is_empty());
}

#[test]
fn inside_another_tenants_scope_every_door_is_shut() {
    let world = World::new();
    let (acme, globex) = (world.context("acme"), world.context("globex"));
    let outcome = globex.in_scope(|| check(&world, &acme)).unwrap();
    assert_eq!(outcome, Err(Reason::ScopeDisagrees));
    assert_eq!(acme.in_scope(|| check(&world, &acme)).unwrap(), Ok(()));
    assert_eq!(globex.in_scope(|| acme.key(1)).unwrap().unwrap_err().door(), Door::Key);
}

#[test]
fn the_mismatch_is_told_before_anything_is_looked_up() {
    let world = World::new();
    let (acme, globex) = (world.context("acme"), world.context("globex"));
    globex
        .in_scope(|| {
            let asked = world.directory.asked();
            world.clock.advance(LIFE);
            assert_eq!(check(&world, &acme), Err(Reason::ScopeDisagrees));
            assert_eq!(world.directory.asked(), asked);
        })
        .unwrap();
    let asked = world.directory.asked();
    assert_eq!(check(&world, &acme), Err(Reason::Expired));
    assert_eq!(check(&World::new(), &acme), Err(Reason::ForeignAuthority));
    assert_eq!(world.directory.asked(), asked);
}

#[test]
fn a_tier_that_the_application_did_not_declare_is_refused_not_guessed() {
    const OTHERS: TierSet = TierSet::new(&["free"]);
    let world = World::new();
    let acme = world.context("acme");
    world.directory.tenants.set(id("acme"), TenantRecord::active(OTHERS.get("free").unwrap()));
    assert_eq!(check(&world, &acme), Err(Reason::UnknownTier));
    let refusal = world.identify(&[Says::WORD], &[("x-word", "acme")]).unwrap_err();
    assert_eq!((refusal.reason(), refusal.code()), (Reason::UnknownTier, RefusalCode::NotAllowed));
}

#[test]
fn a_key_is_a_door() {
    let world = World::new();
    let acme = world.context("acme");
    let key = acme.key("k").unwrap();
    assert_eq!((key.tenant(), key.key()), (&id("acme"), &"k"));
    assert_eq!(key.incarnation(), Incarnation::FIRST);
    assert_eq!(key.to_string(), "acme:1:k");
    world.clock.advance(LIFE);
    let refusal = acme.key("k").unwrap_err();
    assert_eq!((refusal.door(), refusal.reason()), (Door::Key, Reason::Expired));
}

#[test]
fn a_directory_that_is_the_truth_is_never_stale_and_a_replica_never_goes_back() {
    let gold = TenantRecord::active(TierSet::METALS.get("gold").unwrap());
    let truth = MemoryDirectory::new([(id("acme"), gold)]);
    truth.confirm(START);
    assert_eq!(truth.as_of(), None);
    truth.replace([], START);
    assert_eq!((truth.as_of(), truth.find(&id("acme"))), (None, None));

    let later = START.saturating_add(Duration::from_secs(1));
    let replica = MemoryDirectory::replica([(id("acme"), gold)], START);
    assert_eq!(replica.as_of(), Some(START));
    replica.replace([(id("globex"), gold)], later);
    assert_eq!(replica.as_of(), Some(later));
    assert!(replica.find(&id("acme")).is_none() && replica.find(&id("globex")).is_some());
    // A slower refresh that read an older truth.
    replica.replace([(id("acme"), gold)], START);
    replica.confirm(START);
    assert_eq!(replica.as_of(), Some(later));
    assert!(replica.find(&id("acme")).is_none() && replica.find(&id("globex")).is_some());
}

#[test]
fn a_record_says_what_it_was_told() {
    let gold = TenantRecord::active(TierSet::METALS.get("gold").unwrap());
    assert_eq!((gold.status, gold.incarnation), (TenantStatus::Active, Incarnation::FIRST));
    assert_eq!((gold.created, gold.epoch), (None, RoutingEpoch(0)));
    let second = Incarnation::FIRST.next();
    let told = gold.status(TenantStatus::Moving).incarnation(second, START).epoch(RoutingEpoch(3));
    assert_eq!((told.status, told.incarnation), (TenantStatus::Moving, second));
    assert_eq!((told.created, told.epoch), (Some(START), RoutingEpoch(3)));
    assert_eq!(Incarnation::new(7).next().get(), 8);
}

#[test]
fn changes_of_many_threads_are_all_kept() {
    let gold = TenantRecord::active(TierSet::METALS.get("gold").unwrap());
    let directory = MemoryDirectory::new([]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let directory = &directory;
            scope.spawn(move || {
                for at in 0..50 {
                    directory.set(id(&format!("t{thread}-{at}")), gold);
                }
            });
        }
    });
    for thread in 0..4 {
        for at in 0..50 {
            assert!(directory.find(&id(&format!("t{thread}-{at}"))).is_some());
        }
    }
}

#[test]
fn an_authority_shown_for_debugging_shows_no_key_and_no_tenant() {
    let world = World::new();
    let shown = format!("{:?} {:?}", world.authority, world.authority.listener());
    assert!(!shown.contains("acme"), "{shown}");
    let _: Authority = world.authority.clone();
    let _ = MemorySink::default();
}
