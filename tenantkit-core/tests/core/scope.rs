//! The scope is entered for a poll and a drop, and left on every way out. No runtime here.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt, future, stream};
use http_body::Body;
use http_body_util::BodyExt;
use tenantkit_core::{
    Door, Reason, RefusalCode, TenantContext, TenantStatus,
    test_util::{TestAuthority, block_on},
};

/// Who this thread works for just now.
fn whose() -> Option<String> {
    TenantContext::with_current(|current| current.map(|it| it.tenant().to_string()))
}

fn is(tenant: &str) -> bool {
    whose().as_deref() == Some(tenant)
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Pending so many times.
async fn pause(times: usize) {
    for _ in 0..times {
        let mut paused = false;
        poll_fn(
            |_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending },
        )
        .await;
    }
}

/// Tells whose scope it is dropped in.
struct Witness<'a>(&'a Mutex<Vec<Option<String>>>);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(whose());
    }
}

#[test]
fn outside_any_scope_there_is_nobody() {
    let refusal = TenantContext::current().unwrap_err();
    assert_eq!((refusal.reason(), refusal.door()), (Reason::NoIdentity, Door::Scope));
    assert_eq!(refusal.code(), RefusalCode::NoTenant);
    assert_eq!(whose(), None);
}

#[test]
fn two_tenants_that_take_turns_on_one_thread_never_see_each_other() {
    let test = TestAuthority::new();
    let work = |tenant: &'static str| {
        test.context(tenant)
            .scope(async move {
                for _ in 0..10 {
                    assert!(is(tenant));
                    pause(1).await;
                }
            })
            .unwrap()
    };
    let (mut acme, mut globex) = (pin!(work("acme")), pin!(work("globex")));
    for _ in 0..10 {
        assert!(poll(acme.as_mut()).is_pending());
        assert_eq!(whose(), None);
        assert!(poll(globex.as_mut()).is_pending());
        assert_eq!(whose(), None);
    }
    assert!(poll(acme).is_ready() && poll(globex).is_ready());
}

#[test]
fn it_works_on_an_executor_of_another_family() {
    let test = TestAuthority::new();
    let work = |tenant: &'static str| {
        test.context(tenant)
            .scope(async move {
                pause(3).await;
                is(tenant)
            })
            .unwrap()
    };
    let both = future::join(work("acme"), work("globex"));
    assert_eq!(block_on(both), (true, true));
}

#[test]
fn a_panic_leaves_the_scope() {
    let test = TestAuthority::new();
    let seen = Mutex::new(Vec::new());
    let mut future = Box::pin(
        test.context("acme")
            .scope(async {
                let _witness = Witness(&seen);
                pause(1).await;
                panic!("in the tenant's work");
            })
            .unwrap(),
    );
    assert!(poll(future.as_mut()).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| poll(future.as_mut()))).is_err());
    assert_eq!(whose(), None);
    drop(future);
    assert_eq!(*seen.lock().unwrap(), [Some("acme".to_owned())]);
    // Also out of a scope in a scope, and out of a closure.
    let acme = test.context("acme");
    acme.in_scope(|| {
        assert!(catch_unwind(AssertUnwindSafe(|| acme.in_scope(|| panic!("inner")))).is_err());
        assert!(is("acme"));
    })
    .unwrap();
    assert_eq!(whose(), None);
}

#[test]
fn a_panic_in_a_drop_leaves_the_scope() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(is("acme"));
            panic!("in a drop");
        }
    }
    let test = TestAuthority::new();
    let scoped = test.context("acme").scope(Bomb).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(scoped))).is_err());
    assert_eq!(whose(), None);
}

#[test]
fn an_early_return_leaves_the_scope() {
    let test = TestAuthority::new();
    let outcome: Result<(), &str> = block_on(
        test.context("acme")
            .scope(async {
                Err("early")?;
                unreachable!()
            })
            .unwrap(),
    );
    assert_eq!(outcome, Err("early"));
    assert_eq!(whose(), None);
}

#[test]
fn cancelled_at_any_poll_it_is_dropped_in_its_own_scope_and_leaves_nothing_behind() {
    let test = TestAuthority::new();
    let globex = test.context("globex");
    for polls in 0..6 {
        let seen = Mutex::new(Vec::new());
        let witness = Witness(&seen);
        let mut future = Box::pin(
            test.context("acme")
                .scope(async {
                    let _moved = witness;
                    pause(10).await;
                })
                .unwrap(),
        );
        for _ in 0..polls {
            assert!(poll(future.as_mut()).is_pending());
        }
        // Outside any scope, and as a cache in another tenant's request evicts it.
        if polls % 2 == 0 {
            drop(future);
        } else {
            globex
                .in_scope(|| {
                    drop(future);
                    assert!(is("globex"));
                })
                .unwrap();
        }
        assert_eq!(*seen.lock().unwrap(), [Some("acme".to_owned())], "after {polls} polls");
        assert_eq!(whose(), None);
    }
}

#[test]
fn the_same_tenant_may_be_nested_and_another_is_a_mismatch_when_it_is_made() {
    let test = TestAuthority::new();
    let (acme, globex) = (test.context("acme"), test.context("globex"));
    let again = test.context("acme");
    acme.in_scope(|| {
        assert!(block_on(again.scope(async { is("acme") }).unwrap()));
        let refusal = globex.scope(()).unwrap_err();
        assert_eq!(
            (refusal.code(), refusal.reason()),
            (RefusalCode::Mismatch, Reason::ScopeDisagrees)
        );
        let mut ran = false;
        assert_eq!(globex.in_scope(|| ran = true).unwrap_err().code(), RefusalCode::Mismatch);
        assert!(!ran && is("acme"));
    })
    .unwrap();
    assert!(globex.scope(()).is_ok());
}

#[test]
fn a_span_is_made_in_the_scope_or_outside_and_never_audited() {
    let test = TestAuthority::new();
    let (acme, globex) = (test.context("acme"), test.context("globex"));
    assert_eq!(acme.make_span(whose).as_deref(), Some("acme"));
    assert_eq!(whose(), None);
    // Not in a tenant's scope that is not the present one, and of a tenant that may not act in none.
    let made = acme.in_scope(|| globex.make_span(whose)).unwrap();
    assert_eq!(made.as_deref(), Some("acme"));
    test.change("acme", |record| record.status(TenantStatus::Suspended));
    assert_eq!(acme.make_span(whose), None);
    assert!(test.audited().iter().all(|event| event.action.as_str() != "refused"));
}

#[test]
fn a_tenant_of_another_authority_is_another_tenant() {
    let (test, other) = (TestAuthority::new(), TestAuthority::new());
    let refusal = test.context("acme").in_scope(|| other.context("acme").scope(()).unwrap_err());
    assert_eq!(refusal.unwrap().code(), RefusalCode::Mismatch);
}

#[test]
fn a_future_that_exists_already_pushes_its_own_scope_inside_another_and_restores() {
    let test = TestAuthority::new();
    let shared = test
        .context("acme")
        .scope(async {
            pause(1).await;
            is("acme")
        })
        .unwrap();
    let mut shared = Box::pin(shared);
    let outcome = test.context("globex").in_scope(|| {
        assert!(poll(shared.as_mut()).is_pending());
        assert!(is("globex"));
        let outcome = poll(shared.as_mut());
        assert!(is("globex"));
        outcome
    });
    assert_eq!(outcome.unwrap(), Poll::Ready(true));
    assert_eq!(whose(), None);
}

#[test]
fn a_reader_of_the_scope_may_itself_poll_a_scoped_future() {
    let test = TestAuthority::new();
    let (acme, globex) = (test.context("acme"), test.context("globex"));
    let mut inner = Box::pin(
        globex
            .scope(async {
                pause(1).await;
                whose()
            })
            .unwrap(),
    );
    acme.in_scope(|| {
        TenantContext::with_current(|current| {
            assert!(poll(inner.as_mut()).is_pending());
            // The borrow is still that of the outer tenant.
            assert_eq!(current.unwrap().tenant(), "acme");
            let Poll::Ready(who) = poll(inner.as_mut()) else { panic!("pending") };
            assert_eq!(who.as_deref(), Some("globex"));
            drop(inner);
            assert!(is("acme"));
            assert_eq!(TenantContext::current().unwrap().tenant(), "acme");
        });
    })
    .unwrap();
}

#[test]
fn scopes_nest_deeper_than_anybody_needs() {
    fn nest(context: &TenantContext, levels: usize) {
        if levels > 0 {
            context.in_scope(|| nest(context, levels - 1)).unwrap();
            assert!(levels == 200 || is("acme"));
        }
    }
    nest(&TestAuthority::new().context("acme"), 200);
    assert_eq!(whose(), None);
}

#[test]
fn the_checks_are_made_when_the_scope_is_made_and_what_is_in_flight_goes_on() {
    let test = TestAuthority::new();
    let acme = test.context("acme");
    let in_flight = acme.scope(async { is("acme") }).unwrap();
    test.change("acme", |record| record.status(TenantStatus::Suspended));
    assert_eq!(acme.scope(()).unwrap_err().code(), RefusalCode::Suspended);
    test.clock().advance(Duration::from_secs(300));
    assert_eq!(acme.scope(()).unwrap_err().reason(), Reason::Expired);
    assert!(block_on(in_flight));
}

#[test]
fn every_item_of_a_stream_is_made_in_the_scope() {
    let test = TestAuthority::new();
    let inner = stream::poll_fn({
        let mut left = 3;
        move |_| {
            assert!(is("acme"));
            left -= 1;
            Poll::Ready((left >= 0).then_some(left))
        }
    });
    let stream = test.context("acme").scope(inner).unwrap();
    let items = block_on(stream.inspect(|_| assert_eq!(whose(), None)).collect::<Vec<_>>());
    assert_eq!(items, [2, 1, 0]);
    let sized = test.context("acme").scope(stream::iter([1, 2])).unwrap();
    assert_eq!(Stream::size_hint(&sized), (2, Some(2)));
}

#[test]
fn a_fused_future_says_when_it_is_done() {
    use futures_util::future::FusedFuture;
    let test = TestAuthority::new();
    let mut scoped = test.context("acme").scope(future::ready(()).fuse()).unwrap();
    assert!(!scoped.is_terminated());
    assert!(scoped.poll_unpin(&mut Context::from_waker(Waker::noop())).is_ready());
    assert!(scoped.is_terminated());
}

#[test]
fn every_step_of_a_sink_is_made_in_the_scope() {
    #[derive(Clone, Default)]
    struct Steps(Rc<RefCell<Vec<&'static str>>>);
    impl Steps {
        fn step(&self, step: &'static str) -> Result<(), ()> {
            assert!(is("acme"));
            self.0.borrow_mut().push(step);
            Ok(())
        }
    }
    impl Sink<u8> for Steps {
        type Error = ();
        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            Poll::Ready(self.step("ready"))
        }
        fn start_send(self: Pin<&mut Self>, _: u8) -> Result<(), ()> {
            self.step("send")
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            Poll::Ready(self.step("flush"))
        }
        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            Poll::Ready(self.step("close"))
        }
    }
    let (test, steps) = (TestAuthority::new(), Steps::default());
    let mut sink = test.context("acme").scope(steps.clone()).unwrap();
    block_on(async {
        sink.send(1).await.unwrap();
        sink.close().await.unwrap();
    });
    assert_eq!(*steps.0.borrow(), ["ready", "send", "flush", "close"]);
    assert_eq!(whose(), None);
}

#[test]
fn every_frame_of_a_body_and_its_drop_are_in_the_scope_long_after_the_handler() {
    struct Frames<'a>(u8, #[expect(dead_code, reason = "for its drop")] Witness<'a>);
    impl Body for Frames<'_> {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
            assert!(is("acme"));
            self.0 -= 1;
            let frame = http_body::Frame::data(bytes::Bytes::from_static(b"x"));
            Poll::Ready((self.0 > 0).then_some(Ok(frame)))
        }
        fn is_end_stream(&self) -> bool {
            self.0 == 0
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(self.0.into())
        }
    }
    let (test, seen) = (TestAuthority::new(), Mutex::new(Vec::new()));
    let body = test.context("acme").scope(Frames(3, Witness(&seen))).unwrap();
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(!body.is_end_stream());
    assert!(
        test.context("acme")
            .scope(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap()
            .is_end_stream()
    );
    let whole = block_on(body.collect()).unwrap().to_bytes();
    assert_eq!(&whole[..], b"xx");
    assert_eq!(*seen.lock().unwrap(), [Some("acme".to_owned())]);
}

#[test]
fn what_follows_from_a_scoped_future_is_made_polled_and_dropped_in_its_scope() {
    let (test, seen) = (TestAuthority::new(), Mutex::new(Vec::new()));
    let mut handler = pin!(test.context("acme").scope(future::ready(())).unwrap());
    assert!(poll(handler.as_mut()).is_ready());
    // The answer's body may outlive the context.
    test.clock().advance(Duration::from_secs(600));
    let made = test.context("globex").in_scope(|| {
        let made = handler.as_mut().then(|| {
            assert!(is("acme"));
            Witness(&seen)
        });
        assert!(is("globex"));
        made
    });
    let made = made.unwrap();
    drop(made);
    assert_eq!(*seen.lock().unwrap(), [Some("acme".to_owned())]);
    // The future's own scope is still whole.
    let again = handler.as_mut().then(|| future::ready(is("acme")));
    assert!(block_on(again));
}

#[test]
fn the_context_of_a_scope_is_the_one_that_made_it() {
    let test = TestAuthority::new();
    let (one, again) = (test.context("acme"), test.context("acme"));
    assert_ne!(one.transaction(), again.transaction());
    one.in_scope(|| {
        let inner = again.in_scope(|| TenantContext::current().unwrap()).unwrap();
        assert_eq!(inner.transaction(), again.transaction());
        assert_eq!(TenantContext::current().unwrap().transaction(), one.transaction());
    })
    .unwrap();
}

#[test]
fn a_thread_that_ends_has_nobody() {
    struct AtEnd(Arc<Mutex<Option<Option<String>>>>, RefCell<Option<Box<dyn FnOnce()>>>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            if let Some(work) = self.1.take() {
                work();
            }
            *self.0.lock().unwrap() = Some(whose());
        }
    }
    thread_local! {
        static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    }
    let seen = Arc::new(Mutex::new(None));
    let told = Arc::clone(&seen);
    let acme = TestAuthority::new().context("acme");
    std::thread::spawn(move || {
        // Before the scope is used for the first time, so that it is dropped after the scope's stack.
        AT_END.with_borrow_mut(|at_end| {
            let scoped = acme.scope(Box::new(1)).unwrap();
            let work: Box<dyn FnOnce()> = Box::new(move || drop(scoped));
            *at_end = Some(AtEnd(told, RefCell::new(Some(work))));
        });
        acme.in_scope(|| ()).unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(None));
}

#[test]
fn a_context_shown_for_debugging_names_neither_a_person_nor_a_token() {
    let test = TestAuthority::new();
    let acme = test.context("acme");
    let shown = format!("{acme:?} {:?}", acme.scope(1).unwrap());
    assert!(shown.contains("acme") && !shown.contains("tester"), "{shown}");
}
