//! Costly checks are bounded, and a flood of tokens that do not hold is its own sender's trouble.

use std::{
    collections::HashSet,
    net::SocketAddr,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread::JoinHandle,
    time::Duration,
};

use tenantkit_core::{
    Asserts, AuditAction, AuthorityBuilder, BearerPolicy, Begun, CheckPermit, Claim,
    IdentitySource, Inbound, Jwks, Listener, Peer, Presented, Reason, Refusal, RefusalCode, Source,
    TenantContext, TenantStatus, Turn, UnixTime,
    test_util::{TestIssuer, block_on},
};

use crate::world::{World, identity, map};

const A: &str = "192.0.2.1:1";
const B: &str = "198.51.100.1:1";
const OF_BUSY: &str = "203.0.113.1:1";

/// Tokens of `acme` that are known once they were checked: `good-1`, `bad-1`, `slow-1`, `panics`.
#[derive(Debug, Default)]
struct Tokens {
    known: Mutex<HashSet<String>>,
    checking: AtomicUsize,
    most: AtomicUsize,
    checked: AtomicUsize,
    slow: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

#[derive(Debug)]
struct Costly(Arc<Tokens>);

impl Costly {
    const SOURCE: Source = Source::Custom("costly");
}

impl Tokens {
    fn check(&self, token: &str) -> Result<(), Reason> {
        self.most.fetch_max(self.checking.fetch_add(1, SeqCst) + 1, SeqCst);
        self.checked.fetch_add(1, SeqCst);
        let slow = if token.starts_with("slow") { self.slow.lock().unwrap().take() } else { None };
        if let Some((inside, over)) = slow {
            inside.send(()).unwrap();
            over.recv().unwrap();
        }
        self.checking.fetch_sub(1, SeqCst);
        assert_ne!(token, "panics");
        if token.starts_with("bad") { Err(Reason::BadSignature) } else { Ok(()) }
    }
}

impl IdentitySource for Costly {
    fn source(&self) -> Source {
        Self::SOURCE
    }

    fn headers(&self) -> &[&'static str] {
        &["x-token"]
    }

    fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason> {
        let Some(token) = presented.header("x-token") else { return Ok(None) };
        if !self.0.known.lock().unwrap().contains(token) {
            presented.costly(|| self.0.check(token))?;
            self.0.known.lock().unwrap().insert(token.to_owned());
        }
        Ok(Some(Claim::Establishes(Arc::new(identity("acme", "ann", now)))))
    }
}

struct Line {
    world: World,
    tokens: Arc<Tokens>,
    listener: Listener,
}

/// A check that is under way until this is dropped.
struct Busy(Option<(mpsc::Sender<()>, JoinHandle<()>)>);

impl Drop for Busy {
    fn drop(&mut self) {
        let (over, thread) = self.0.take().unwrap();
        over.send(()).unwrap();
        thread.join().unwrap();
    }
}

impl Line {
    /// One check at a time; all else as it is unless told.
    fn new(change: impl FnOnce(AuthorityBuilder) -> AuthorityBuilder) -> Self {
        let tokens = Arc::new(Tokens::default());
        let source = Costly(Arc::clone(&tokens));
        let world = World::of(|builder| {
            change(builder.concurrent_checks(NonZeroUsize::MIN).establish(source, Asserts::Any))
        });
        let listener = world.authority.listener().admit(Costly::SOURCE);
        Self { world, tokens, listener }
    }

    fn busy(&self) -> Busy {
        let ((inside, is_inside), (over, is_over)) = (mpsc::channel(), mpsc::channel());
        *self.tokens.slow.lock().unwrap() = Some((inside, is_over));
        let listener = self.listener.clone();
        let token = format!("slow-{}", self.tokens.checked.load(SeqCst));
        let thread = std::thread::spawn(move || {
            let _ = listener.identify(inbound(&map(&[("x-token", &*token)]), OF_BUSY));
        });
        // A failure, and not a test that hangs, where the check does not begin.
        is_inside.recv_timeout(Duration::from_secs(10)).unwrap();
        Busy(Some((over, thread)))
    }

    fn begin(&self, peer: &str, token: &str) -> Result<Begun, Refusal> {
        self.listener.begin(inbound(&map(&[("x-token", token)]), peer))
    }

    /// The turn of a token that has to wait, after its first poll.
    fn waits(&self, peer: &str, token: &str) -> Waiting {
        let Begun::Waiting(turn) = self.begin(peer, token).unwrap() else {
            panic!("{token} does not wait");
        };
        let mut waiting = Waiting { turn, peer: peer.to_owned(), token: token.to_owned() };
        assert!(waiting.poll().is_none());
        waiting
    }

    fn outcome(&self, peer: &str, token: &str) -> Result<(), Reason> {
        let headers = map(&[("x-token", token)]);
        reason(self.listener.identify(inbound(&headers, peer)))
    }

    fn passes_at_once(&self) -> bool {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let token = format!("good-next-{}", NEXT.fetch_add(1, SeqCst));
        matches!(self.begin(B, &token), Ok(Begun::Identified(_)))
    }
}

fn inbound<'a>(headers: &'a http::HeaderMap, peer: &str) -> Inbound<'a> {
    Inbound::new(headers).from(match peer {
        "" => Peer::UNKNOWN,
        peer => Peer::UNKNOWN.addr(peer.parse::<SocketAddr>().unwrap()),
    })
}

fn reason(outcome: Result<TenantContext, Refusal>) -> Result<(), Reason> {
    outcome.map(|_| ()).map_err(|refusal| refusal.reason())
}

struct Waiting {
    turn: Turn,
    peer: String,
    token: String,
}

impl Waiting {
    fn poll(&mut self) -> Option<CheckPermit> {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.turn).poll(&mut cx) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    fn finish(&self, permit: CheckPermit) -> Result<(), Reason> {
        reason(permit.identify(inbound(&map(&[("x-token", &self.token)]), &self.peer)))
    }
}

/// Polls all until all are done: their tokens in the order of their turns, and what became of them.
fn run(mut all: Vec<Waiting>) -> Vec<(String, Result<(), Reason>)> {
    let mut done = Vec::new();
    while !all.is_empty() {
        let next = all.iter_mut().enumerate().find_map(|(at, it)| Some((at, it.poll()?)));
        let (at, permit) = next.expect("somebody has the turn");
        let waiting = all.remove(at);
        let outcome = waiting.finish(permit);
        done.push((waiting.token, outcome));
    }
    done
}

fn order(all: Vec<Waiting>) -> Vec<String> {
    run(all).into_iter().map(|(token, _)| token).collect()
}

fn fail(line: &Line, peer: &str, times: usize) {
    for n in 0..times {
        assert_eq!(line.outcome(peer, &format!("bad-{n}")), Err(Reason::BadSignature));
    }
}

#[test]
fn so_many_checks_are_under_way_at_once_and_no_more() {
    let line = Line::new(|builder| builder.concurrent_checks(NonZeroUsize::new(2).unwrap()));
    let (first, second) = (line.busy(), line.busy());
    let mut third = line.waits(A, "good-3");
    drop(first);
    let permit = third.poll().unwrap();
    assert_eq!(third.finish(permit), Ok(()));
    drop(second);

    std::thread::scope(|threads| {
        for thread in 0..8 {
            let line = &line;
            threads.spawn(move || {
                for n in 0..50 {
                    let headers = map(&[("x-token", &*format!("good-{thread}-{n}"))]);
                    let context = match line.listener.begin(inbound(&headers, B)).unwrap() {
                        Begun::Identified(context) => context,
                        Begun::Waiting(turn) => {
                            block_on(turn).identify(inbound(&headers, B)).unwrap()
                        }
                    };
                    assert_eq!(context.tenant(), "acme");
                }
            });
        }
    });
    assert_eq!(line.tokens.checked.load(SeqCst), 3 + 8 * 50);
    assert_eq!(line.tokens.most.load(SeqCst), 2);
}

#[test]
fn a_machine_has_a_bound_unless_told() {
    let tokens = Arc::new(Tokens::default());
    let source = Costly(Arc::clone(&tokens));
    let world = World::of(|builder| builder.establish(source, Asserts::Any));
    let listener = world.authority.listener().admit(Costly::SOURCE);
    let line = Line { world, tokens, listener };
    let cores = std::thread::available_parallelism().unwrap().get();
    let busy: Vec<_> = (0..(cores / 2).max(1)).map(|_| line.busy()).collect();
    assert!(matches!(line.begin(A, "good"), Ok(Begun::Waiting(_))));
    drop(busy);
    assert!(line.passes_at_once());
}

#[test]
fn what_was_checked_before_never_waits() {
    let line = Line::new(|builder| builder.waiting_checks(0));
    assert_eq!(line.outcome(A, "good"), Ok(()));
    fail(&line, A, 100);
    let _busy = line.busy();
    assert!(matches!(line.begin(A, "good"), Ok(Begun::Identified(_))));
    assert_eq!(line.outcome(A, "good"), Ok(()));
}

#[test]
fn who_cannot_wait_is_refused_and_it_is_audited_once() {
    let line = Line::new(|builder| builder);
    let busy = line.busy();
    let before = line.world.sink.events().len();
    let headers = map(&[("x-token", "good")]);
    let refusal = line.listener.identify(inbound(&headers, A)).unwrap_err();
    assert_eq!(
        (refusal.reason(), refusal.code()),
        (Reason::TooManyChecks, RefusalCode::Overloaded)
    );
    assert_eq!(refusal.wait(), Some(Duration::from_secs(1)));
    let events = line.world.sink.events();
    assert_eq!(events.len(), before + 1);
    assert_eq!(events[before].action, AuditAction::Refused(refusal));
    assert_eq!((events[before].tenant, events[before].peer), (None, Some(A.parse().unwrap())));

    // Waiting itself is nothing that an auditor reads.
    let waiting = line.waits(A, "good");
    assert_eq!(line.world.sink.events().len(), before + 1);
    drop(busy);
    assert_eq!(run(vec![waiting]), [("good".to_owned(), Ok(()))]);
    assert_eq!(line.world.sink.events().len(), before + 1);
}

#[test]
fn each_lane_is_bounded_and_one_does_not_fill_the_other() {
    let line = Line::new(|builder| builder.waiting_checks(3).second_lane_after(4));
    fail(&line, A, 4);
    let busy = line.busy();
    let second = [line.waits(A, "good-1"), line.waits(A, "good-2")];
    let refusal = line.begin(A, "good-3").unwrap_err();
    assert_eq!(refusal.reason(), Reason::TooManyChecks);
    assert_eq!(refusal.wait(), Some(Duration::from_secs(1)));
    let first = ["good-4", "good-5", "good-6"].map(|token| line.waits(B, token));
    assert_eq!(line.begin(B, "good-8").unwrap_err().reason(), Reason::TooManyChecks);
    // Who goes away leaves room.
    let [gone, stays] = second;
    drop(gone);
    let again = line.waits(A, "good-3");
    assert_eq!(line.begin(A, "good-7").unwrap_err().reason(), Reason::TooManyChecks);
    drop(busy);
    let all = run(first.into_iter().chain([stays, again]).collect());
    assert!(all.iter().all(|(_, outcome)| *outcome == Ok(())), "{all:?}");
    assert!(line.passes_at_once());
}

#[test]
fn one_peer_does_not_fill_the_second_lane_alone() {
    let line = Line::new(|builder| builder.waiting_checks(4));
    fail(&line, A, 16);
    fail(&line, B, 16);
    let busy = line.busy();
    let mut all = vec![line.waits(A, "bad-1"), line.waits(A, "bad-2")];
    for _ in 0..10 {
        assert_eq!(line.begin(A, "bad-3").unwrap_err().reason(), Reason::TooManyChecks);
    }
    all.push(line.waits(B, "good-1"));
    all.push(line.waits(B, "good-2"));
    assert_eq!(line.begin(B, "good-3").unwrap_err().reason(), Reason::TooManyChecks);
    drop(busy);
    assert_eq!(order(all), ["bad-1", "bad-2", "good-1", "good-2"]);
    // And all of it is free again.
    line.world.clock.advance(Duration::from_secs(5));
    fail(&line, A, 16);
    let _busy = line.busy();
    let _again = [line.waits(A, "good-4"), line.waits(A, "good-5")];
}

#[test]
fn the_claims_of_a_bearer_token_are_read_when_it_is_its_turn() {
    let issuer = TestIssuer::new("https://id.example");
    let jwks = Jwks::parse(&issuer.jwks()).unwrap();
    let policy = BearerPolicy::new(issuer.issuer(), "acmedocs").asserts_any_tenant();
    let line = Line::new(|builder| builder.bearer(jwks, policy));
    let bearer = line.world.authority.listener().admit(Source::Bearer);
    let begin = |token: &str| {
        bearer.begin(inbound(&map(&[("authorization", &*format!("Bearer {token}"))]), A))
    };
    let _busy = line.busy();
    let unknown = issuer.sign(r#"{"iss":"https://elsewhere.example"}"#);
    assert!(matches!(begin(&unknown), Ok(Begun::Waiting(_))));
    let refusal = begin("e30.e30.").unwrap_err();
    assert_eq!(refusal.reason(), Reason::MalformedToken, "its header names no algorithm");
}

/// By default: nobody is refused who shares a peer with a flood, and who does not hardly waits.
#[test]
fn a_flood_of_bad_tokens_from_one_peer_refuses_no_good_token_behind_or_beside_it() {
    let line = Line::new(|builder| builder);
    assert_eq!(line.outcome(B, "good-known"), Ok(()));
    let busy = line.busy();
    let mut all: Vec<_> = (0..500).map(|n| line.waits(A, &format!("bad-{n}"))).collect();
    all.push(line.waits(B, "good-beside"));
    all.push(line.waits(A, "good-behind"));
    assert_eq!(line.outcome(A, "good-known"), Ok(()));
    drop(busy);
    let done = run(all);
    let at = |token: &str| done.iter().position(|(it, _)| it == token).unwrap();
    // Sixteen that came before the peer was known for it, and one of those that follow.
    assert_eq!(at("good-beside"), 17);
    assert_eq!(done[at("good-beside")].1, Ok(()));
    assert_eq!(done[at("good-behind")].1, Ok(()));
    let refused = done.iter().filter(|(_, outcome)| *outcome == Err(Reason::BadSignature));
    assert_eq!(refused.count(), 500);
}

#[test]
fn one_at_a_time_of_those_whose_peer_failed_too_often_stands_before_the_others() {
    let line = Line::new(|builder| builder);
    fail(&line, A, 16);
    let busy = line.busy();
    let flood = ["bad-1", "bad-2", "bad-3"].map(|token| line.waits(A, token));
    let mut all = Vec::from(flood);
    all.extend(["good-1", "good-2"].map(|token| line.waits(B, token)));
    drop(busy);
    assert_eq!(order(all), ["bad-1", "good-1", "good-2", "bad-2", "bad-3"]);
}

#[test]
fn checks_that_hold_do_not_count_against_a_peer_nor_does_a_second_that_is_over() {
    let judge = |line: &Line| {
        let busy = line.busy();
        let mut all = Vec::from(["good-a", "good-b"].map(|token| line.waits(A, token)));
        all.push(line.waits(B, "good-c"));
        drop(busy);
        order(all)
    };
    let (fair, behind) = (["good-a", "good-b", "good-c"], ["good-a", "good-c", "good-b"]);
    let line = Line::new(|builder| builder);
    for n in 0..100 {
        assert_eq!(line.outcome(A, &format!("good-{n}")), Ok(()));
    }
    assert_eq!(judge(&line), fair);

    let line = Line::new(|builder| builder);
    fail(&line, A, 16);
    assert_eq!(judge(&line), behind);
    let line = Line::new(|builder| builder);
    fail(&line, A, 16);
    line.world.clock.advance(Duration::from_secs(1));
    assert_eq!(judge(&line), fair);
    let line = Line::new(|builder| builder.second_lane_after(1000));
    fail(&line, A, 900);
    assert_eq!(judge(&line), fair);
}

#[test]
fn peers_that_are_not_known_are_one_and_are_not_refused() {
    let line = Line::new(|builder| builder);
    fail(&line, "", 2000);
    assert_eq!(line.outcome("", "good-0"), Ok(()));
    let busy = line.busy();
    let mut all = Vec::from(["good-1", "good-2"].map(|token| line.waits("", token)));
    all.push(line.waits(B, "good-3"));
    drop(busy);
    assert_eq!(order(all), ["good-1", "good-3", "good-2"]);
}

#[test]
fn a_request_that_is_dropped_at_any_poll_takes_no_turn_along() {
    for lane in [A, B] {
        // How often it is polled: not at all, while it waits, when its turn has come but is not
        // taken, and when it is taken and not used.
        for polls in 0..4 {
            let line = Line::new(|builder| builder.waiting_checks(1));
            fail(&line, A, 16);
            let busy = line.busy();
            let Ok(Begun::Waiting(turn)) = line.begin(lane, "good") else { panic!("it waits") };
            let mut waiting = Waiting { turn, peer: lane.to_owned(), token: "good".to_owned() };
            if polls > 0 {
                assert!(waiting.poll().is_none());
            }
            let busy = Some(busy).filter(|_| polls < 2);
            if polls == 3 {
                drop(waiting.poll().unwrap());
            }
            if polls == 2 {
                assert!(!line.passes_at_once(), "the turn is its own");
            }
            drop(waiting);
            drop(busy);
            assert!(line.passes_at_once(), "{lane}, polled {polls} times");
            // The lane has its room again, and its head is free.
            let busy = line.busy();
            let next = line.waits(lane, "good");
            drop(busy);
            assert_eq!(run(vec![next]), [("good".to_owned(), Ok(()))]);
        }
    }
}

#[test]
fn a_check_that_panics_takes_no_turn_along_and_counts() {
    let line = Line::new(|builder| builder.second_lane_after(1));
    let panicked = catch_unwind(AssertUnwindSafe(|| line.outcome(A, "panics")));
    assert!(panicked.is_err());
    assert!(line.passes_at_once());
    let busy = line.busy();
    let mut all = Vec::from(["good-1", "good-2"].map(|token| line.waits(A, token)));
    all.push(line.waits(B, "good-3"));
    drop(busy);
    assert_eq!(order(all), ["good-1", "good-3", "good-2"]);
}

#[test]
fn what_changes_while_it_waits_counts() {
    let line = Line::new(|builder| builder);
    let busy = line.busy();
    let waiting = line.waits(A, "good");
    line.world.change("acme", |record| record.status(TenantStatus::Suspended));
    drop(busy);
    assert_eq!(run(vec![waiting]), [("good".to_owned(), Err(Reason::TenantSuspended))]);
}

/// A source that goes on without its check.
#[derive(Debug)]
struct Careless;

impl IdentitySource for Careless {
    fn source(&self) -> Source {
        Source::Custom("careless")
    }

    fn headers(&self) -> &[&'static str] {
        &["x-careless"]
    }

    fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason> {
        let Some(tenant) = presented.header("x-careless") else { return Ok(None) };
        let _ = presented.costly(|| Err::<(), _>(Reason::BadCredential));
        Ok(Some(Claim::Establishes(Arc::new(identity(tenant, "ann", now)))))
    }
}

#[test]
fn a_source_that_does_not_wait_for_its_check_waits_all_the_same() {
    let tokens = Arc::new(Tokens::default());
    let source = Costly(Arc::clone(&tokens));
    let world = World::of(|builder| {
        builder
            .concurrent_checks(NonZeroUsize::MIN)
            .establish(source, Asserts::Any)
            .establish(Careless, Asserts::Any)
    });
    let listener = world.authority.listener().admit(Costly::SOURCE);
    let line = Line { world, tokens, listener };
    let _busy = line.busy();
    let careless = line.world.authority.listener().admit(Source::Custom("careless"));
    let begun = careless.begin(Inbound::new(&map(&[("x-careless", "acme")])));
    assert!(matches!(begun, Ok(Begun::Waiting(_))), "{begun:?}");
}
