//! Work that belongs to no single tenant is declared, audited, short, and never a tenant's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tenantkit_core::{
    Asserts, AuditAction, AuditEvent, AuditSink, Capability, Commit, Door, Grant, Reason, Refusal,
    RefusalCode, Source, TenantStatus,
    audit::NotCommitted,
    test_util::{MemorySink, block_on},
};

use crate::world::{START, Says, World, id, subject};

fn grant(secs: u64) -> Grant {
    Grant::new(subject("carol"), "ticket 7".parse().unwrap(), Duration::from_secs(secs))
}

fn reason<T>(outcome: Result<T, Refusal>) -> Result<(), Reason> {
    outcome.map(|_| ()).map_err(|refusal| refusal.reason())
}

#[test]
fn a_grant_is_audited_with_actor_reason_and_expiry_before_it_exists() {
    let world = World::new();
    let work = block_on(world.authority.system_work(World::MIGRATE, grant(60))).unwrap();
    let until = START.saturating_add(Duration::from_secs(60));
    assert_eq!((work.actor(), work.reason().as_str()), (&subject("carol"), "ticket 7"));
    assert_eq!((work.capability(), work.expires()), (World::MIGRATE, until));
    let event = world.last_event();
    assert_eq!(event.action, AuditAction::Granted);
    assert_eq!(event.actor, Some(subject("carol")));
    assert_eq!((event.capability, event.expires), (Some("migrate"), Some(until)));
    assert_eq!((event.why.unwrap().as_str(), event.tenant), ("ticket 7", None));
}

#[test]
fn what_was_not_declared_or_is_of_another_kind_or_too_long_is_not_granted() {
    let world = World::new();
    let undeclared = Capability::system("undeclared", Duration::from_secs(60));
    // The same name, for longer.
    let forged = Capability::system("migrate", Duration::from_secs(6000));
    let system =
        |capability, secs| reason(block_on(world.authority.system_work(capability, grant(secs))));
    let cross =
        |capability, secs| reason(block_on(world.authority.cross_tenant(capability, grant(secs))));
    let refused = Err(Reason::CapabilityNotGranted);
    assert_eq!(system(undeclared, 1), refused);
    assert_eq!(system(forged, 1), refused);
    assert_eq!(system(World::SUPPORT, 1), refused);
    assert_eq!(cross(World::MIGRATE, 1), refused);
    assert_eq!(system(World::MIGRATE, 61), Err(Reason::GrantTooLong));
    assert_eq!(Reason::GrantTooLong.code(), RefusalCode::NotAllowed);
    assert_eq!(Reason::CapabilityNotGranted.code(), RefusalCode::NotAllowed);
    let events = world.sink.events();
    assert_eq!(events.len(), 5);
    for event in events {
        assert!(matches!(event.action, AuditAction::Refused(it) if it.door() == Door::Grant));
        assert_eq!(event.actor, Some(subject("carol")));
        assert!(event.capability.is_some() && event.why.is_some());
    }
    assert_eq!((system(World::MIGRATE, 60), cross(World::SUPPORT, 60)), (Ok(()), Ok(())));
}

/// A sink that can be broken.
#[derive(Debug, Default)]
struct Fragile {
    broken: AtomicBool,
    kept: MemorySink,
}

impl AuditSink for Fragile {
    fn record(&self, event: AuditEvent) {
        self.kept.record(event);
    }

    fn commit(&self, event: AuditEvent) -> Commit {
        if self.broken.load(Ordering::SeqCst) {
            return Commit::ready(Err(NotCommitted::new()));
        }
        self.kept.commit(event)
    }
}

#[test]
fn what_cannot_be_audited_is_refused() {
    let sink = Arc::new(Fragile::default());
    let world =
        World::of(|builder| builder.establish(Says::word(), Asserts::Any).audit(Arc::clone(&sink)));
    let support = block_on(world.authority.cross_tenant(World::SUPPORT, grant(60))).unwrap();
    sink.broken.store(true, Ordering::SeqCst);
    let unavailable = Err(Reason::AuditUnavailable);
    assert_eq!(
        reason(block_on(world.authority.system_work(World::MIGRATE, grant(1)))),
        unavailable
    );
    assert_eq!(reason(block_on(support.act_as(id("acme")))), unavailable);
    assert_eq!(reason(block_on(support.audit())), unavailable);
    assert_eq!(Reason::AuditUnavailable.code(), RefusalCode::Overloaded);
    let refused = sink.kept.events().into_iter().filter(|event| {
        matches!(event.action, AuditAction::Refused(it) if it.reason() == Reason::AuditUnavailable)
    });
    assert_eq!(refused.count(), 3);
    sink.broken.store(false, Ordering::SeqCst);
    assert_eq!(reason(block_on(support.act_as(id("acme")))), Ok(()));
}

#[test]
fn a_grant_expires_at_that_very_millisecond() {
    let world = World::new();
    let work = block_on(world.authority.system_work(World::MIGRATE, grant(10))).unwrap();
    let check = || work.check(&world.authority, Door::Transaction);
    world.clock.advance(Duration::from_millis(9_999));
    assert_eq!(check(), Ok(()));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(check(), Err(Refusal::new(Reason::Expired, Door::Transaction)));
    assert_eq!(world.last_event().capability, Some("migrate"));
    assert_eq!(reason(block_on(work.for_tenant(id("acme")))), Err(Reason::Expired));
}

#[test]
fn a_tenants_request_does_not_turn_into_other_work_half_way() {
    let world = World::new();
    let support = block_on(world.authority.cross_tenant(World::SUPPORT, grant(60))).unwrap();
    let before = world.sink.events().len();
    let outcomes = world.context("acme").in_scope(|| {
        [
            reason(support.check(&world.authority, Door::Transaction)),
            reason(block_on(support.act_as(id("acme")))),
            reason(block_on(world.authority.cross_tenant(World::SUPPORT, grant(1)))),
            reason(block_on(world.authority.system_work(World::MIGRATE, grant(1)))),
        ]
    });
    assert_eq!(outcomes.unwrap(), [Err(Reason::ScopeDisagrees); 4]);
    assert_eq!(world.sink.events().len(), before + 4);
    assert_eq!(support.check(&world.authority, Door::Transaction), Ok(()));
}

#[test]
fn another_authoritys_grant_passes_no_door_here() {
    let (world, other) = (World::new(), World::new());
    let work = block_on(other.authority.system_work(World::MIGRATE, grant(60))).unwrap();
    let refusal = work.check(&world.authority, Door::Transaction).unwrap_err();
    assert_eq!(refusal.reason(), Reason::ForeignAuthority);
    // It is audited where it was refused.
    assert_eq!(world.last_event().action, AuditAction::Refused(refusal));
}

#[test]
fn acting_as_a_tenant_names_who_really_acts_and_is_audited_before() {
    let world = World::new();
    let support = block_on(world.authority.cross_tenant(World::SUPPORT, grant(60))).unwrap();
    let context = block_on(support.act_as(id("globex"))).unwrap();
    assert_eq!(context.tenant(), &id("globex"));
    assert_eq!(context.tier().as_str(), "bronze");
    assert_eq!(context.actor(), Some(&subject("carol")));
    assert_eq!(context.expires(), support.expires());
    assert_eq!(context.provenance().established_by(), Source::Grant("support"));
    assert_eq!(world.authority.check(&context, Door::Transaction), Ok(()));
    let event = world.last_event();
    assert_eq!((event.action, event.tenant), (AuditAction::Granted, Some(id("globex"))));
    assert_eq!((event.actor, event.capability), (Some(subject("carol")), Some("support")));

    let cron = block_on(world.authority.system_work(World::MIGRATE, grant(60))).unwrap();
    assert_eq!(block_on(cron.for_tenant(id("acme"))).unwrap().actor(), Some(&subject("carol")));
}

#[test]
fn acting_as_a_tenant_that_may_not_act_is_refused_and_audited() {
    let world = World::new();
    let support = block_on(world.authority.cross_tenant(World::SUPPORT, grant(60))).unwrap();
    world.change("acme", |record| record.status(TenantStatus::Suspended));
    for (tenant, why) in [("acme", Reason::TenantSuspended), ("nobody", Reason::UnknownTenant)] {
        let refusal = block_on(support.act_as(id(tenant))).unwrap_err();
        assert_eq!((refusal.reason(), refusal.door()), (why, Door::Grant));
        let event = world.last_event();
        assert_eq!(event.action, AuditAction::Refused(refusal));
        assert_eq!((event.tenant, event.actor), (Some(id(tenant)), Some(subject("carol"))));
    }
}

#[test]
fn work_shown_for_debugging_names_no_person() {
    let world = World::new();
    let work = block_on(world.authority.system_work(World::MIGRATE, grant(60))).unwrap();
    let shown = format!("{work:?}");
    assert!(shown.contains("migrate") && shown.contains("SystemWork"), "{shown}");
    assert!(!shown.contains("carol"), "{shown}");
}
