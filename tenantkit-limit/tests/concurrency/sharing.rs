//! A tenant's caps, and what it may take of what all have.

use tenantkit_core::{Door, Reason, Refusal};
use tenantkit_limit::concurrency::{Cap, ConcurrencyLimiter, Limit, Outcome, Resource, Sharing};

use crate::{assert_empty, limiter, tenant};

const EXPORTS: Resource = Resource::new(1);
const READS: Resource = Resource::new(2);

#[test]
fn a_tenant_at_the_cap_of_one_resource_still_has_the_others() {
    let (limiter, acme) = (limiter(10), tenant("acme"));
    let export = limiter.try_acquire(&acme, Cap::new(EXPORTS, 1)).unwrap();
    let refused = limiter.try_acquire(&acme, Cap::new(EXPORTS, 1)).unwrap_err();
    assert_eq!(refused, Refusal::new(Reason::ConcurrencyExceeded, Door::Permit));
    let read = limiter.try_acquire(&acme, Cap::new(READS, 1)).unwrap();
    let other = limiter.try_acquire(&tenant("globex"), Cap::new(EXPORTS, 1)).unwrap();
    assert_eq!((limiter.held(&acme, EXPORTS), limiter.held(&acme, READS)), (1, 1));
    assert_eq!(export.resource(), EXPORTS);
    drop((export, read, other));
    assert_empty(&limiter);
}

#[test]
fn a_cap_of_zero_refuses_all_and_nobody_waits_for_it() {
    let (limiter, acme) = (limiter(10), tenant("acme"));
    assert!(limiter.try_acquire(&acme, Cap::of(0)).is_err());
    let mut acquire = limiter.acquire(&acme, Cap::of(0));
    assert!(matches!(crate::poll(&mut acquire), std::task::Poll::Ready(Err(_))));
    assert_empty(&limiter);
}

#[test]
fn no_tenant_takes_all_of_the_global_limit() {
    for global in 2..40 {
        let limiter = ConcurrencyLimiter::builder().global(Limit::fixed(global)).build().unwrap();
        let acme = tenant("acme");
        let mut held = Vec::new();
        let refused = loop {
            match limiter.try_acquire(&acme, Cap::of(1000)) {
                Ok(permit) => held.push(permit),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused.reason(), Reason::ConcurrencyExceeded, "its own fault");
        assert!(held.len() <= (global as usize / 2).max(1), "{} of {global}", held.len());
        assert!(limiter.try_acquire(&tenant("globex"), Cap::of(1000)).is_ok());
    }
}

#[test]
fn many_heavy_tenants_together_leave_the_reserve_to_those_who_have_nothing() {
    let limiter = ConcurrencyLimiter::builder()
        .global(Limit::fixed(100))
        .sharing(Sharing::DEFAULT.tenant_percent(50).reserve_percent(10).guarantee(2))
        .build()
        .unwrap();
    let heavy: Vec<_> = (0..5).map(|number| tenant(&format!("heavy-{number}"))).collect();
    let mut held = Vec::new();
    let mut refused = 0;
    while refused < heavy.len() {
        refused = 0;
        for heavy in &heavy {
            match limiter.try_acquire(heavy, Cap::of(1000)) {
                Ok(permit) => held.push(permit),
                Err(refusal) => {
                    assert_eq!(refusal.reason(), Reason::LoadShed);
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(limiter.in_use(), 90);
    // Five light tenants get their two each out of the reserve.
    for number in 0..10 {
        let light = tenant(&format!("light-{}", number / 2));
        held.push(limiter.try_acquire(&light, Cap::of(1000)).unwrap());
    }
    assert_eq!(limiter.in_use(), 100);
    assert!(limiter.try_acquire(&tenant("late"), Cap::of(1000)).is_err());
    drop(held);
    assert_empty(&limiter);
}

#[test]
fn a_refused_attempt_leaves_no_trace() {
    let (limiter, acme) = (limiter(1), tenant("acme"));
    let held = limiter.try_acquire(&acme, Cap::of(1)).unwrap();
    for number in 0..1000 {
        let other = tenant(&format!("other-{number}"));
        assert!(limiter.try_acquire(&other, Cap::of(1)).is_err());
    }
    assert_eq!((limiter.in_use(), limiter.tenants()), (1, 1));
    drop(held);
    assert_empty(&limiter);
}

/// With one permit for each thread a refusal could come only from another's attempt, that was counted
/// before it was refused. (Add and undo would do that.)
#[test]
fn a_refused_attempt_never_refuses_a_neighbour() {
    let limiter = limiter(2);
    std::thread::scope(|scope| {
        for name in ["acme", "globex"] {
            let limiter = &limiter;
            scope.spawn(move || {
                let tenant = tenant(name);
                for _ in 0..20_000 {
                    let held = limiter.try_acquire(&tenant, Cap::of(1)).unwrap();
                    assert!(limiter.try_acquire(&tenant, Cap::of(1)).is_err());
                    drop(held);
                }
            });
        }
    });
    assert_empty(&limiter);
}

#[test]
fn a_permit_moves_into_a_body_and_ends_with_it_also_by_a_panic() {
    fn body_can_hold<T: Send + Sync + 'static>(_: &T) {}
    let (limiter, acme) = (limiter(1), tenant("acme"));
    let permit = limiter.try_acquire(&acme, Cap::of(1)).unwrap();
    body_can_hold(&permit);
    let body = std::thread::spawn(move || {
        let _permit = permit;
        panic!("on purpose");
    });
    assert!(body.join().is_err());
    assert_empty(&limiter);
    limiter.try_acquire(&acme, Cap::of(1)).unwrap().finished(Outcome::Served);
    assert_empty(&limiter);
}

#[test]
fn the_limiter_names_no_tenant() {
    let (limiter, acme) = (limiter(1), tenant("acme"));
    let permit = limiter.try_acquire(&acme, Cap::of(1)).unwrap();
    let acquire = limiter.acquire(&acme, Cap::of(1));
    assert!(!format!("{limiter:?} {permit:?} {acquire:?}").contains("acme"));
}
