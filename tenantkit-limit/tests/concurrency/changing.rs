//! Limits that change while running.

use tenantkit_limit::concurrency::{
    Aimd, Cap, ConcurrencyLimiter, Gradient2, InvalidLimit, Limit, Resource,
};

use crate::{assert_empty, limiter, poll, ready, tenant};

#[test]
fn a_raised_global_limit_is_given_out_at_once() {
    let (limiter, acme) = (limiter(1), tenant("acme"));
    let held = limiter.try_acquire(&acme, Cap::of(9)).unwrap();
    let mut waiters: Vec<_> = (0..3).map(|_| limiter.acquire(&acme, Cap::of(9))).collect();
    assert!(waiters.iter_mut().all(|waiter| poll(waiter).is_pending()));
    limiter.set_global(&Limit::fixed(3)).unwrap();
    let given = [ready(&mut waiters[0]), ready(&mut waiters[1])];
    assert!(poll(&mut waiters[2]).is_pending());
    drop((held, given, waiters));
    assert_empty(&limiter);
}

#[test]
fn a_raised_limit_frees_those_who_waited_for_their_share_of_it() {
    let limiter = ConcurrencyLimiter::builder().global(Limit::fixed(2)).build().unwrap();
    let acme = tenant("acme");
    let held = limiter.try_acquire(&acme, Cap::of(9)).unwrap();
    let mut waiter = limiter.acquire(&acme, Cap::of(9));
    assert!(poll(&mut waiter).is_pending(), "half of two is its share");
    limiter.set_global(&Limit::fixed(4)).unwrap();
    drop((ready(&mut waiter), held));
    assert_empty(&limiter);
}

#[test]
fn a_lowered_global_limit_takes_nothing_away_and_gives_nothing_until_less_is_in_use() {
    let (limiter, acme) = (limiter(3), tenant("acme"));
    let take = || limiter.try_acquire(&acme, Cap::of(9));
    let mut held: Vec<_> = (0..3).map(|_| take().unwrap()).collect();
    limiter.set_global(&Limit::fixed(1)).unwrap();
    assert_eq!((limiter.in_use(), limiter.global()), (3, 1));
    let mut waiter = limiter.acquire(&acme, Cap::of(9));
    for _ in 0..2 {
        assert!(take().is_err());
        held.pop();
        assert!(poll(&mut waiter).is_pending());
    }
    held.pop();
    drop(ready(&mut waiter));
    assert_empty(&limiter);
}

#[test]
fn a_raised_cap_counts_for_those_who_wait_already_when_the_next_one_joins() {
    let (limiter, acme) = (limiter(9), tenant("acme"));
    let held = limiter.try_acquire(&acme, Cap::of(1)).unwrap();
    let mut first = limiter.acquire(&acme, Cap::of(1));
    assert!(poll(&mut first).is_pending());
    let mut second = limiter.acquire(&acme, Cap::of(3));
    let permits = (ready(&mut second), ready(&mut first));
    assert_eq!(limiter.held(&acme, Resource::FIRST), 3);
    drop((permits, held));
    assert_empty(&limiter);
}

#[test]
fn what_is_no_limit_is_refused_and_the_last_one_stays() {
    let limiter = limiter(7);
    for (limit, error) in [
        (Limit::fixed(0), InvalidLimit::Zero),
        (Limit::fixed(u32::MAX), InvalidLimit::TooLarge),
        (Limit::gradient2(Gradient2::between(9, 3)), InvalidLimit::Contradictory),
        (Limit::aimd(Aimd::between(2, 3).initial(4)), InvalidLimit::Contradictory),
        (Limit::aimd(Aimd::between(0, 3)), InvalidLimit::Zero),
    ] {
        assert_eq!(limiter.set_global(&limit), Err(error));
        assert_eq!(limiter.global(), 7);
    }
}
