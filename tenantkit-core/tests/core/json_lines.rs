//! The audit file: what is written in it, in which order, and when somebody is told.

use std::{
    fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tenantkit_core::{
    AuditAction, AuditEvent, AuditSink, Door, Reason, Refusal, Source, Subject, Text, UnixTime,
    audit::{JsonLinesSink, NotCommitted},
    test_util::TestAuthority,
};

#[path = "json_lines/file.rs"]
mod file;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    (folder, path)
}

fn refused(reason: Reason) -> AuditEvent {
    let refusal = Refusal::new(reason, Door::Request);
    AuditEvent::new(UnixTime::from_secs(1_800_000_000), AuditAction::Refused(refusal))
}

fn refused_to(tenant: &str) -> AuditEvent {
    refused(Reason::Expired).on(Some(&tenant.parse().unwrap()))
}

fn granted(capability: &'static str) -> AuditEvent {
    let mut event = AuditEvent::new(UnixTime::from_secs(1_800_000_000), AuditAction::Granted);
    event.capability = Some(capability);
    event
}

fn lines(path: impl AsRef<Path>) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(lines: &'a [Value], action: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["action"] == action).collect()
}

fn dropped(lines: &[Value]) -> u64 {
    of(lines, "dropped").iter().map(|line| line["count"].as_u64().unwrap()).sum()
}

#[test]
fn every_field_is_written_under_its_documented_name() {
    let (_folder, path) = folder();
    let who = |sub: &str| Subject::new("https://id.example".parse().unwrap(), sub.parse().unwrap());
    let mut event = granted("support-search");
    event.tenant = Some("acme".parse().unwrap());
    event.subject = Some(who("ann"));
    event.actor = Some(who("bob"));
    event.workload = Some("edge".parse().unwrap());
    event.transaction = Some("t-1".parse().unwrap());
    event.source = Some(Source::Grant("support-search"));
    event.claim = Some("aud");
    event.peer = Some("192.0.2.1:443".parse().unwrap());
    event.why = Some("ticket 7".parse().unwrap());
    event.expires = Some(UnixTime::from_millis(1_800_000_900_250));
    let count = AuditAction::Dropped { reason: None, door: Some(Door::Call), count: 3 };

    let sink = JsonLinesSink::open(&path).unwrap();
    sink.record(event);
    sink.record(refused(Reason::Expired));
    sink.record(AuditEvent::new(UnixTime::EPOCH, AuditAction::Dangerous("trust-gateway-header")));
    sink.record(AuditEvent::new(UnixTime::EPOCH, count));
    drop(sink);
    let expected = [
        serde_json::json!({
            "at": "2027-01-15T08:00:00.000Z", "action": "granted", "tenant": "acme",
            "subject": {"iss": "https://id.example", "sub": "ann"},
            "actor": {"iss": "https://id.example", "sub": "bob"},
            "workload": "edge", "transaction": "t-1", "source": "support-search", "claim": "aud",
            "peer": "192.0.2.1:443", "capability": "support-search", "why": "ticket 7",
            "expires": "2027-01-15T08:15:00.250Z",
        }),
        serde_json::json!({
            "at": "2027-01-15T08:00:00.000Z", "action": "refused", "code": "unverified",
            "reason": "expired", "door": "request",
        }),
        serde_json::json!({
            "at": "1970-01-01T00:00:00.000Z", "action": "dangerous", "what": "trust-gateway-header",
        }),
        serde_json::json!({
            "at": "1970-01-01T00:00:00.000Z", "action": "dropped", "door": "call", "count": 3,
        }),
    ];
    assert_eq!(lines(&path), expected);
}

#[test]
fn a_line_is_bounded_and_echoes_no_control_character() {
    const LONG: &str =
        "name\n\u{1b}[31m\u{202e}\u{7f}\u{85}é-and-so-on-and-so-on-and-so-on-and-so-on-and-so-on";
    let (_folder, path) = folder();
    let worst: Text = "\\".repeat(Text::MAX_LEN).parse().unwrap();
    let who = Subject::new(worst.clone(), worst.clone());
    let mut event = granted(LONG);
    event.source = Some(Source::Custom(LONG));
    (event.subject, event.actor) = (Some(who.clone()), Some(who));
    event.workload = Some(worst.clone());
    event.transaction = Some(worst.clone());
    event.why = Some(worst);
    event.expires = Some(UnixTime::MAX);
    let sink = JsonLinesSink::open(&path).unwrap();
    sink.record(event);
    sink.record(AuditEvent::new(UnixTime::MAX, AuditAction::Dangerous(LONG)));
    drop(sink);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    for line in text.lines() {
        assert!(line.len() < 8 * 1024, "{}", line.len());
        assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
    let lines = lines(&path);
    assert!(lines[0]["capability"].as_str().unwrap().starts_with("name\u{fffd}\u{fffd}[31m"));
    assert_eq!(lines[0]["why"].as_str().unwrap().len(), Text::MAX_LEN);
}

#[test]
fn a_million_refusals_of_one_tenant_neither_fill_the_disk_nor_hide_another_tenant() {
    let (_folder, path) = folder();
    let sink = Arc::new(JsonLinesSink::open(&path).unwrap());
    let test = TestAuthority::new();
    let (acme, globex) = (test.context("acme"), test.context("globex"));
    test.clock().advance(Duration::from_secs(301));
    let authority = tenantkit_core::Authority::builder(tenantkit_core::TierSet::METALS)
        .dangerous()
        .trust_gateway_header(|_: tenantkit_core::Peer<'_>| false)
        .directory(tenantkit_core::MemoryDirectory::new([]))
        .clock(test.clock().clone())
        .audit(Arc::clone(&sink))
        .build()
        .unwrap();
    for at in 0..1_000_000_u32 {
        authority.check(&acme, Door::Call).unwrap_err();
        if at == 500_000 {
            authority.check(&globex, Door::Call).unwrap_err();
        }
        if at % 100_000 == 0 {
            test.clock().advance(Duration::from_secs(10));
        }
    }
    drop(authority);
    sink.flush().wait().unwrap();

    assert!(fs::metadata(&path).unwrap().len() < 128 * 1024);
    let lines = lines(&path);
    let of_tenant = |tenant: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["tenant"] == tenant).collect()
    };
    assert_eq!(of_tenant("globex").len(), 1);
    let acme: Vec<Value> = of_tenant("acme").into_iter().cloned().collect();
    let recorded = of(&acme, "refused").len() as u64;
    assert!(recorded <= 20 * 11, "{recorded}");
    assert_eq!(recorded + dropped(&acme), 1_000_000);
}

#[test]
fn a_commit_is_in_the_file_when_it_is_answered() {
    let (_folder, path) = folder();
    let sink = JsonLinesSink::open(&path).unwrap();
    for at in 1..=20 {
        assert_eq!(sink.commit(granted("migrate")).wait(), Ok(()));
        assert_eq!(of(&lines(&path), "granted").len(), at);
    }
}

#[test]
fn commits_of_many_threads_are_all_answered_and_all_there() {
    let (_folder, path) = folder();
    let sink = JsonLinesSink::open(&path).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert_eq!(sink.commit(granted("migrate")).wait(), Ok(()));
                }
            });
        }
    });
    assert_eq!(of(&lines(&path), "granted").len(), 200);
}

#[test]
fn a_flood_of_records_does_not_push_out_a_commit_and_is_counted() {
    let (_folder, path) = folder();
    let queue = NonZeroU32::new(8).unwrap();
    let sink = JsonLinesSink::options(&path).queue(queue).open().unwrap();
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            for _ in 0..100_000 {
                sink.record(refused(Reason::Expired));
            }
        });
        for _ in 0..20 {
            assert_eq!(sink.commit(granted("migrate")).wait(), Ok(()));
        }
        flood.join().unwrap();
    });
    drop(sink);
    let lines = lines(&path);
    assert_eq!(of(&lines, "granted").len(), 20);
    assert_eq!(of(&lines, "refused").len() as u64 + dropped(&lines), 100_000);
    assert!(of(&lines, "dropped").iter().all(|line| line["reason"] == "expired"));
}

#[test]
fn a_waker_that_panics_does_not_stop_the_log() {
    use std::{
        future::Future,
        pin::Pin,
        task::{Context, Wake, Waker},
    };
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics, on the writer's thread");
        }
    }
    let (_folder, path) = folder();
    let sink = JsonLinesSink::open(&path).unwrap();
    let waker = Waker::from(Arc::new(Panics));
    // Until one is polled before it is answered.
    for _ in 0..10_000 {
        let mut commit = sink.commit(granted("migrate"));
        let mut context = Context::from_waker(&waker);
        if Pin::new(&mut commit).poll(&mut context).is_pending() {
            assert_eq!(commit.wait(), Ok(()));
            break;
        }
    }
    assert_eq!(sink.commit(granted("after")).wait(), Ok(()));
    sink.record(refused(Reason::Expired));
    assert_eq!(sink.flush().wait(), Ok(()));
    assert_eq!(of(&lines(&path), "refused").len(), 1);
}

#[test]
fn a_waker_that_holds_the_last_handle_does_not_make_the_writer_wait_for_itself() {
    use std::{
        future::Future,
        pin::pin,
        sync::Mutex,
        task::{Context, Wake, Waker},
    };
    struct Holder(Mutex<Option<JsonLinesSink>>, std::sync::mpsc::Sender<()>);
    impl Wake for Holder {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
            self.1.send(()).unwrap();
        }
    }
    let (_folder, path) = folder();
    let (sender, done) = std::sync::mpsc::channel();
    let holder = Arc::new(Holder(Mutex::new(None), sender));
    let sink = JsonLinesSink::open(&path).unwrap();
    let mut held = holder.0.lock().unwrap();
    let mut commit = pin!(sink.commit(granted("migrate")));
    let waker = Waker::from(Arc::clone(&holder));
    if commit.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        *held = Some(sink);
        drop(held);
        done.recv().unwrap();
    }
}
