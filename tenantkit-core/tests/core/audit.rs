//! Refusals are sampled and counted; nothing is hidden by a flood.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tenantkit_core::{
    Asserts, AuditAction, AuditEvent, AuditSink, Authority, AuthorityBuilder, BuildError, Claim,
    Commit, Door, Identity, IdentitySource, ManualClock, MemoryDirectory, Presented, Reason,
    Refusal, Source, Subject, TenantContext, TierSet, UnixTime,
    audit::{NotCommitted, Tee},
    test_util::{MemorySink, TestAuthority},
};

fn count(events: &[AuditEvent], reason: Reason) -> (usize, u64) {
    let mut recorded = 0;
    let mut dropped = 0;
    for event in events {
        match event.action {
            AuditAction::Refused(refusal) if refusal.reason() == reason => recorded += 1,
            AuditAction::Dropped { reason: Some(of), count, .. } if of == reason => {
                dropped += count;
            }
            _ => {}
        }
    }
    (recorded, dropped)
}

fn expired(test: &TestAuthority, tenant: &str) -> TenantContext {
    let context = test.context(tenant);
    test.clock().advance(Duration::from_secs(301));
    context
}

#[test]
fn a_flood_is_counted_and_the_count_follows_with_the_next_event_of_any_kind() {
    let test = TestAuthority::new();
    let (acme, globex) = (test.context("acme"), expired(&test, "globex"));
    for _ in 0..1000 {
        acme.key(()).unwrap_err();
    }
    assert_eq!(count(&test.audited(), Reason::Expired), (20, 0));
    globex.key(()).unwrap_err();
    assert_eq!(count(&test.audited(), Reason::Expired), (21, 0));

    test.clock().advance(Duration::from_secs(10));
    test.authority().record(AuditEvent::new(UnixTime::EPOCH, AuditAction::Granted));
    let events = test.audited();
    assert_eq!(count(&events, Reason::Expired), (21, 980));
    let dropped = &events[21];
    assert_eq!(dropped.tenant.unwrap(), "acme");
    let AuditAction::Dropped { door, .. } = dropped.action else { panic!("{dropped:?}") };
    assert_eq!(door, Some(Door::Key));

    // A window on, there is room again.
    acme.key(()).unwrap_err();
    assert_eq!(count(&test.audited(), Reason::Expired), (22, 980));
}

#[test]
fn a_refusal_that_is_only_counted_costs_no_allocation() {
    let test = TestAuthority::new();
    let acme = expired(&test, "acme");
    for _ in 0..20 {
        acme.key(()).unwrap_err();
    }
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            acme.key(()).unwrap_err();
        }
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(count(&test.audited(), Reason::Expired), (20, 0));
}

#[test]
fn a_count_is_not_lost_when_nothing_follows_the_flood() {
    let test = TestAuthority::new();
    let acme = expired(&test, "acme");
    for _ in 0..25 {
        acme.key(()).unwrap_err();
    }
    test.authority().flush_audit();
    assert_eq!(count(&test.audited(), Reason::Expired), (20, 5));
    acme.key(()).unwrap_err();
    test.authority().flush_audit();
    assert_eq!(count(&test.audited(), Reason::Expired), (20, 6));
}

#[test]
fn the_last_handle_to_an_authority_tells_the_counts() {
    let sink = Arc::new(MemorySink::default());
    let refusal = Refusal::new(Reason::RateExceeded, Door::Permit);
    let authority = authority(Arc::clone(&sink), |builder| builder).unwrap();
    for _ in 0..30 {
        authority.record(AuditEvent::new(UnixTime::EPOCH, AuditAction::Refused(refusal)));
    }
    assert_eq!(count(&sink.events(), Reason::RateExceeded), (20, 0));
    drop(authority.clone());
    assert_eq!(count(&sink.events(), Reason::RateExceeded), (20, 0));
    drop(authority);
    assert_eq!(count(&sink.events(), Reason::RateExceeded), (20, 10));
}

#[test]
fn the_application_decides_how_much_is_recorded_one_by_one() {
    let sink = Arc::new(MemorySink::default());
    let three = NonZeroU32::new(3).unwrap();
    let authority = authority(Arc::clone(&sink), |builder| {
        builder.sample_refusals(three, Duration::from_secs(1))
    })
    .unwrap();
    let refusal = Refusal::new(Reason::RateExceeded, Door::Permit);
    for _ in 0..5 {
        authority.record(AuditEvent::new(UnixTime::EPOCH, AuditAction::Refused(refusal)));
    }
    authority.flush_audit();
    assert_eq!(count(&sink.events(), Reason::RateExceeded), (3, 2));
}

#[test]
fn a_window_that_bounds_nothing_is_refused_at_start() {
    let too_short = authority(MemorySink::default(), |builder| {
        builder.sample_refusals(NonZeroU32::MIN, Duration::from_millis(999))
    });
    assert_eq!(too_short.unwrap_err(), BuildError::SamplingWindow);
}

#[test]
fn commits_are_never_sampled() {
    let test = TestAuthority::new();
    let subject = Subject::new("test".parse().unwrap(), "cron".parse().unwrap());
    for _ in 0..50 {
        let grant = tenantkit_core::Grant::new(
            subject.clone(),
            "a test".parse().unwrap(),
            Duration::from_secs(1),
        );
        let granted = test.authority().system_work(TestAuthority::SYSTEM, grant);
        tenantkit_core::test_util::block_on(granted).unwrap();
    }
    let granted = test.audited().iter().filter(|it| it.action == AuditAction::Granted).count();
    assert_eq!(granted, 50);
}

/// A sink that does what a careless one may do: it asks the authority while it is told.
#[derive(Debug, Default)]
struct Reentrant {
    context: std::sync::OnceLock<TenantContext>,
    told: AtomicUsize,
}

impl AuditSink for Reentrant {
    fn record(&self, _: AuditEvent) {
        if self.told.fetch_add(1, Ordering::SeqCst) < 100
            && let Some(context) = self.context.get()
        {
            let _ = context.key("refused, and audited, again");
            context.authority().flush_audit();
            TenantContext::with_current(|current| assert!(current.is_some()));
        }
    }

    fn commit(&self, event: AuditEvent) -> Commit {
        self.record(event);
        Commit::ready(Ok(()))
    }
}

#[test]
fn a_sink_that_logs_in_a_scope_and_is_refused_itself_does_not_deadlock() {
    let sink = Arc::new(Reentrant::default());
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let built = authority(Arc::clone(&sink), |builder| builder.clock(clock.clone())).unwrap();
    let identify = || {
        built
            .listener()
            .admit(Source::Custom("path"))
            .identify(tenantkit_core::Inbound::new(&http::HeaderMap::new()).path("acme"))
            .unwrap()
    };
    let (old, _) = (identify(), clock.advance(Duration::from_secs(299)));
    let scope = identify();
    scope
        .in_scope(|| {
            clock.advance(Duration::from_secs(1));
            sink.context.set(old.clone()).unwrap();
            old.key(()).unwrap_err()
        })
        .unwrap();
    assert!(sink.told.load(Ordering::SeqCst) >= 20);
}

#[test]
fn the_second_sink_of_a_tee_answers_for_commits_and_both_are_told() {
    #[derive(Debug)]
    struct Full;
    impl AuditSink for Full {
        fn record(&self, _: AuditEvent) {}
        fn commit(&self, _: AuditEvent) -> Commit {
            Commit::ready(Err(NotCommitted::new()))
        }
    }
    let event = || AuditEvent::new(UnixTime::EPOCH, AuditAction::Granted);
    let (one, other) = (Arc::new(MemorySink::default()), Arc::new(MemorySink::default()));
    let both = Tee::new(Arc::clone(&one), Arc::clone(&other));
    both.record(event());
    assert_eq!(both.commit(event()).wait(), Ok(()));
    assert_eq!((one.events().len(), other.events().len()), (2, 2));

    assert_eq!(Tee::new(Arc::clone(&one), Full).commit(event()).wait(), Err(NotCommitted::new()));
    assert_eq!(Tee::new(Full, one).commit(event()).wait(), Ok(()));
}

#[test]
fn a_tracing_event_has_the_fields_and_is_never_durable() {
    use tenantkit_core::audit::TracingSink;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl MakeWriter<'_> for Lines {
        type Writer = Self;
        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let test = TestAuthority::new();
    let refusal = Refusal::new(Reason::TenantSuspended, Door::Call);
    let event = AuditEvent::new(UnixTime::EPOCH, AuditAction::Refused(refusal));
    let answer = tracing::subscriber::with_default(subscriber, || {
        TracingSink.record(event.of(&test.context("acme")));
        TracingSink.commit(AuditEvent::new(UnixTime::EPOCH, AuditAction::Granted)).wait()
    });
    assert_eq!(answer, Err(NotCommitted::new()));
    let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let [refused, granted] = written.lines().collect::<Vec<_>>()[..] else { panic!("{written}") };
    for part in [
        "WARN tenantkit::audit:",
        "action=\"refused\"",
        "code=\"suspended\"",
        "reason=\"tenant-suspended\"",
        "door=\"call\"",
        "tenant=\"acme\"",
        "subject.sub=\"tester\"",
        "source=\"test\"",
    ] {
        assert!(refused.contains(part), "{part} is not in {refused}");
    }
    assert!(granted.contains("INFO tenantkit::audit:") && granted.contains("action=\"granted\""));
    assert!(!granted.contains("tenant="), "{granted}");
}

/// An authority that believes the path.
fn authority(
    sink: impl AuditSink,
    change: impl FnOnce(AuthorityBuilder) -> AuthorityBuilder,
) -> Result<Authority, BuildError> {
    #[derive(Debug)]
    struct Path;
    impl IdentitySource for Path {
        fn source(&self) -> Source {
            Source::Custom("path")
        }
        fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason> {
            let subject = Subject::new("test".parse().unwrap(), "tester".parse().unwrap());
            let tenant = presented.path().parse().map_err(|_| Reason::MalformedHeader)?;
            let expires = now.saturating_add(Duration::from_secs(300));
            Ok(Some(Claim::Establishes(Arc::new(Identity::new(tenant, subject, expires)))))
        }
    }
    let gold = TierSet::METALS.get("gold").unwrap();
    let acme = ("acme".parse().unwrap(), tenantkit_core::TenantRecord::active(gold));
    let builder = Authority::builder(TierSet::METALS)
        .establish(Path, Asserts::Any)
        .directory(MemoryDirectory::new([acme]))
        .audit(sink);
    change(builder).build()
}
