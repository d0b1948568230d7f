//! Who waits, in which order, and how many.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tenantkit_core::{Reason, TenantId};
use tenantkit_limit::concurrency::{
    Acquire, Cap, ConcurrencyLimiter, Limit, Permit, Resource, Sharing,
};

use crate::{Woken, assert_empty, limiter, poll, ready, tenant};

/// Those in line, by name.
#[derive(Default)]
struct Line(Vec<(String, Acquire)>);

impl Line {
    fn join(&mut self, limiter: &ConcurrencyLimiter, name: &str, tenant: &TenantId, cap: Cap) {
        let mut acquire = limiter.acquire(tenant, cap);
        assert!(poll(&mut acquire).is_pending(), "{name} does not wait");
        self.0.push((name.to_owned(), acquire));
    }

    /// The one who has a permit now. It looks from the end, so that nobody is found for being first
    /// in the list.
    fn served(&mut self) -> Option<(String, Permit)> {
        for at in (0..self.0.len()).rev() {
            if let Poll::Ready(permit) = poll(&mut self.0[at].1) {
                return Some((self.0.remove(at).0, permit.unwrap()));
            }
        }
        None
    }

    /// Gives `first` back, and then each permit as soon as it is there: the order of all.
    fn order(mut self, first: Permit) -> Vec<String> {
        drop(first);
        let mut order = Vec::new();
        while let Some((name, permit)) = self.served() {
            order.push(name);
            assert!(self.served().is_none(), "there is only one permit");
            drop(permit);
        }
        assert!(self.0.is_empty(), "somebody was forgotten");
        order
    }
}

#[test]
fn within_a_tenant_the_first_that_came_is_first() {
    let (limiter, acme) = (limiter(10), tenant("acme"));
    let held = limiter.try_acquire(&acme, Cap::of(1)).unwrap();
    let mut line = Line::default();
    for name in ["a", "b", "c", "d"] {
        line.join(&limiter, name, &acme, Cap::of(1));
    }
    assert_eq!(line.order(held), ["a", "b", "c", "d"]);
    assert_empty(&limiter);
}

#[test]
fn a_heavy_tenants_thousand_waiters_do_not_delay_a_light_ones_first() {
    let sharing = Sharing::DEFAULT.tenant_percent(100).reserve_percent(0);
    let limiter = ConcurrencyLimiter::builder()
        .global(Limit::fixed(1))
        .sharing(sharing)
        .waiters(1000, 4000)
        .build()
        .unwrap();
    let (heavy, light) = (tenant("heavy"), tenant("light"));
    let held = limiter.try_acquire(&heavy, Cap::of(9)).unwrap();
    let mut line = Line::default();
    for number in 0..1000 {
        line.join(&limiter, &format!("heavy-{number}"), &heavy, Cap::of(9));
    }
    for number in 0..3 {
        line.join(&limiter, &format!("light-{number}"), &light, Cap::of(9));
    }
    let order = line.order(held);
    // When both came, heavy had a permit and light had none.
    assert_eq!(order[..6], ["light-0", "heavy-0", "light-1", "heavy-1", "light-2", "heavy-2"]);
    let rest: Vec<_> = (3..1000).map(|number| format!("heavy-{number}")).collect();
    assert_eq!(order[6..], rest);
    assert_empty(&limiter);
}

#[test]
fn tenants_that_all_have_something_take_turns() {
    for guarantee in [1, 9] {
        let sharing = Sharing::DEFAULT.tenant_percent(100).reserve_percent(0).guarantee(guarantee);
        let builder = ConcurrencyLimiter::builder().global(Limit::fixed(3)).sharing(sharing);
        let limiter = builder.build().unwrap();
        let (heavy, light) = (tenant("heavy"), tenant("light"));
        let take = |tenant| limiter.try_acquire(tenant, Cap::of(9)).unwrap();
        let held = (take(&heavy), take(&light));
        let first = take(&heavy);
        let mut line = Line::default();
        for number in 0..50 {
            line.join(&limiter, &format!("heavy-{number}"), &heavy, Cap::of(9));
        }
        for number in 0..2 {
            line.join(&limiter, &format!("light-{number}"), &light, Cap::of(9));
        }
        let order = line.order(first);
        assert_eq!(order[..5], ["heavy-0", "light-0", "heavy-1", "light-1", "heavy-2"]);
        drop(held);
        assert_empty(&limiter);
    }
}

#[test]
fn waiters_of_a_tenant_at_its_own_cap_delay_nobody_else() {
    let (limiter, heavy, light) = (limiter(10), tenant("heavy"), tenant("light"));
    let held = limiter.try_acquire(&heavy, Cap::of(1)).unwrap();
    let mut line = Line::default();
    for number in 0..50 {
        line.join(&limiter, &number.to_string(), &heavy, Cap::of(1));
    }
    // Neither at once nor in line, and not in another resource of the same tenant.
    drop(limiter.try_acquire(&light, Cap::of(1)).unwrap());
    drop(ready(&mut limiter.acquire(&light, Cap::of(1))));
    drop(limiter.try_acquire(&heavy, Cap::new(Resource::new(3), 1)).unwrap());
    drop((line, held));
    assert_empty(&limiter);
}

#[test]
fn who_has_less_than_its_guarantee_comes_before_who_has_it() {
    let limiter = ConcurrencyLimiter::builder().global(Limit::fixed(4)).build().unwrap();
    let names = ["acme", "globex", "initech"];
    let [acme, globex, initech] = names.map(tenant);
    let mut held = [&acme, &acme, &globex, &initech]
        .map(|tenant| limiter.try_acquire(tenant, Cap::of(9)).map_err(drop))
        .into_iter()
        .collect::<Result<Vec<_>, ()>>()
        .unwrap();
    let mut line = Line::default();
    line.join(&limiter, "globex", &globex, Cap::of(9));
    line.join(&limiter, "umbrella", &tenant("umbrella"), Cap::of(9));
    // One of acme's. What is left now is in reserve: not globex's, though it came first.
    drop(held.remove(0));
    assert_eq!(line.served().map(|(name, permit)| (name, drop(permit)).0).unwrap(), "umbrella");
    // Now two are left, one beyond the reserve.
    drop(held.remove(0));
    assert_eq!(line.served().map(|(name, permit)| (name, drop(permit)).0).unwrap(), "globex");
    drop(held);
    assert_empty(&limiter);
}

#[test]
fn nobody_passes_by_those_who_wait() {
    let (limiter, acme, globex) = (limiter(1), tenant("acme"), tenant("globex"));
    let held = limiter.try_acquire(&acme, Cap::of(9)).unwrap();
    let mut line = Line::default();
    line.join(&limiter, "first", &acme, Cap::of(9));
    drop(held);
    // The permit is the waiter's, though it has not looked yet.
    assert_eq!(limiter.try_acquire(&globex, Cap::of(9)).unwrap_err().reason(), Reason::LoadShed);
    let (_, permit) = line.served().unwrap();
    drop(permit);
    drop(limiter.try_acquire(&globex, Cap::of(9)).unwrap());

    // Nor by those of the same tenant, when the cap is raised meanwhile.
    let held = limiter.try_acquire(&acme, Cap::of(1)).unwrap();
    let mut line = Line::default();
    line.join(&limiter, "first", &acme, Cap::of(1));
    let refused = limiter.try_acquire(&acme, Cap::of(2)).unwrap_err();
    assert_eq!(refused.reason(), Reason::ConcurrencyExceeded);
    drop((line, held));
    assert_empty(&limiter);
}

#[test]
fn a_tenants_resources_take_turns() {
    let (limiter, acme) = (limiter(1), tenant("acme"));
    let [one, two] = [1, 2].map(|number| Cap::new(Resource::new(number), 9));
    let held = limiter.try_acquire(&acme, one).unwrap();
    let mut line = Line::default();
    for (name, cap) in [("one-0", one), ("one-1", one), ("one-2", one), ("two-0", two)] {
        line.join(&limiter, name, &acme, cap);
    }
    assert_eq!(line.order(held), ["one-0", "two-0", "one-1", "one-2"]);
    assert_empty(&limiter);
}

#[test]
fn no_more_wait_than_may_of_one_tenant_and_in_all() {
    let builder = ConcurrencyLimiter::builder().global(Limit::fixed(1)).waiters(3, 5);
    let limiter = builder.build().unwrap();
    let held = limiter.try_acquire(&tenant("acme"), Cap::of(9)).unwrap();
    let mut line = Line::default();
    for name in ["acme", "acme", "acme", "globex", "globex"] {
        line.join(&limiter, name, &tenant(name), Cap::of(9));
        if line.0.len() == 3 {
            let mut fourth = limiter.acquire(&tenant("acme"), Cap::of(9));
            let Poll::Ready(Err(refused)) = poll(&mut fourth) else { panic!("a fourth waits") };
            assert_eq!(refused.reason(), Reason::ConcurrencyExceeded);
        }
    }
    let mut sixth = limiter.acquire(&tenant("initech"), Cap::of(9));
    assert!(matches!(poll(&mut sixth), Poll::Ready(Err(_))));
    assert_eq!((limiter.waiters(), limiter.tenants()), (5, 2), "a refused one is not remembered");
    drop((line, held));
    assert_empty(&limiter);
}

#[test]
fn a_waiter_is_woken_once_when_its_permit_is_there_and_not_before() {
    let (limiter, acme) = (limiter(1), tenant("acme"));
    let held = limiter.try_acquire(&acme, Cap::of(1)).unwrap();
    let woken: Vec<_> = (0..2).map(|_| Arc::new(Woken::default())).collect();
    let mut waiters: Vec<_> = woken
        .iter()
        .map(|woken| {
            let mut acquire = limiter.acquire(&acme, Cap::of(1));
            let waker = Arc::clone(woken).into();
            let mut cx = Context::from_waker(&waker);
            assert!(Pin::new(&mut acquire).poll(&mut cx).is_pending());
            acquire
        })
        .collect();
    assert_eq!([woken[0].times(), woken[1].times()], [0, 0]);
    drop(held);
    assert_eq!([woken[0].times(), woken[1].times()], [1, 0]);
    drop(ready(&mut waiters[0]));
    assert_eq!([woken[0].times(), woken[1].times()], [1, 1]);
    drop(ready(&mut waiters[1]));
    assert_empty(&limiter);
}

#[test]
fn a_waiter_that_moves_to_another_task_is_woken_there() {
    let (limiter, acme) = (limiter(1), tenant("acme"));
    let held = limiter.try_acquire(&acme, Cap::of(1)).unwrap();
    let mut acquire = limiter.acquire(&acme, Cap::of(1));
    let [before, after] = [Arc::new(Woken::default()), Arc::new(Woken::default())];
    for woken in [&before, &after] {
        let waker = Arc::clone(woken).into();
        assert!(Pin::new(&mut acquire).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(held);
    assert_eq!((before.times(), after.times()), (0, 1));
}
