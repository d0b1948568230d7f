//! While Redis is slow, or gone, or has forgotten everything.

use std::{thread::sleep, time::Duration};

use redis::Client;
use tenantkit_core::test_util::TestAuthority;
use tenantkit_limit::{
    limits::{Basis, Denied, Entered},
    quota::{Cost, Quota},
    shared::{Because, Sharing},
};
use throwaway::{Redis, tools};

use crate::{
    process::{Load, all, limits, limits_of, millis},
    steady::{allowed_within, overshoot, together},
};

const QUOTA: u32 = 1_000;
const SHORT: Duration = Duration::from_millis(100);

/// Four processes under load, of which Redis is taken and given back. Says what they did, and between
/// which moments they were surely apart.
fn outage(
    redis: &Redis,
    take: impl FnOnce(&Redis),
    give: impl FnOnce(&Redis),
) -> (crate::process::Done, u128, u128) {
    let load = Load { quota: QUOTA, offered: 1_000, span: Duration::from_secs(9), deadline: SHORT };
    let mut moments = (0, 0);
    let done = all(redis.url(), &[load; 4], || {
        sleep(Duration::from_millis(1_500));
        take(redis);
        // A term, until nobody has a lease any more, and what a call may take before.
        let from = millis() + 1_400;
        sleep(Duration::from_millis(3_000));
        moments = (from, millis());
        give(redis);
    });
    (done, moments.0, moments.1)
}

/// What holds for any outage.
fn is_safe(done: &crate::process::Done, from: u128, to: u128) {
    let span = (to - from) as f64 / 1_000.0;
    let (meanwhile, quota) = (done.between(from, to) as f64, f64::from(QUOTA));
    let most = done.most_beyond(QUOTA);
    println!(
        "{meanwhile} allowed in {span:.1} s of outage, {} by safe shares in all; beyond rate * T in \
         any span {most:.0}, bound {}",
        done.apart,
        3.0 * quota + overshoot(QUOTA),
    );
    // Four shares of a quarter of rate and burst.
    assert!(meanwhile <= quota + quota * span, "{meanwhile}");
    assert!(meanwhile >= 0.9 * quota * span - 100.0, "{meanwhile}");
    assert!(most <= 3.0 * quota + overshoot(QUOTA), "{most}");
    // Nobody was shut out for half a second.
    let (first, last) = (done.allowed.keys().next().unwrap(), done.allowed.keys().last().unwrap());
    for start in (*first..*last - 50).step_by(50) {
        assert_ne!(done.between(start * 10, start * 10 + 500), 0, "at {start}");
    }
    assert_eq!(done.end_apart, 0, "they come together by themselves");
}

#[test]
fn while_redis_is_gone_each_process_has_its_safe_share_and_they_come_together_by_themselves() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let (done, from, to) =
        outage(&redis, |redis| redis.stop().unwrap(), |redis| redis.restart().unwrap());
    is_safe(&done, from, to);
}

#[test]
fn while_redis_hangs_each_process_has_its_safe_share_and_no_request_waits_for_it() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let (done, from, to) =
        outage(&redis, |redis| redis.pause().unwrap(), |redis| redis.resume().unwrap());
    is_safe(&done, from, to);
    // Everything that was offered was answered in time.
    assert!(done.asked >= 4 * 8_900, "{}", done.asked);
}

#[test]
fn a_redis_that_forgets_gives_another_burst_at_most() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let load = Load {
        quota: QUOTA,
        offered: 1_000,
        span: Duration::from_secs(4),
        deadline: Duration::from_secs(2),
    };
    let done = all(redis.url(), &[load; 4], || {
        sleep(Duration::from_secs(2));
        let mut connection = Client::open(redis.url()).unwrap().get_connection().unwrap();
        redis::cmd("FLUSHALL").exec(&mut connection).unwrap();
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut connection).unwrap();
    });
    let (most, quota) = (done.most_beyond(QUOTA), f64::from(QUOTA));
    println!("beyond rate * T in any span {most:.0}, bound {}", 2.0 * quota + overshoot(QUOTA));
    assert!(most <= 2.0 * quota + overshoot(QUOTA), "{most}");
    assert_eq!(done.apart, 0, "the script is sent again");
}

fn try_one(
    tests: &TestAuthority,
    door: &tenantkit_limit::limits::ResourceLimits,
) -> Result<Entered, Denied> {
    door.try_enter(&tests.context("acme"), Cost::ONE)
}

#[tokio::test]
async fn without_redis_from_the_start_there_is_the_safe_share_and_it_says_so() {
    let quota = Quota::per_hour(8).build().unwrap();
    let port = throwaway::free_port();
    let (tests, door, shared, courier) =
        limits(&format!("redis://127.0.0.1:{port}"), quota, "without");
    assert!(matches!(shared.status().sharing, Sharing::Apart { because: Because::Starting, .. }));
    let courier = tokio::spawn(courier.run());
    while shared.status().counts.failed_calls == 0 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(
        shared.status().sharing,
        Sharing::Apart { because: Because::Unreachable, .. }
    ));
    // Two of eight, for one of four.
    for _ in 0..2 {
        let entered = try_one(&tests, &door).unwrap();
        assert_eq!(entered.standings().basis(), Basis::SafeShare);
        assert_eq!(entered.standings().iter().next().unwrap().window.burst(), 2);
    }
    assert_eq!(try_one(&tests, &door).unwrap_err().standings().basis(), Basis::SafeShare);
    courier.abort();
    assert!(courier.await.unwrap_err().is_cancelled());
    assert!(matches!(shared.status().sharing, Sharing::Apart { because: Because::Stopped, .. }));
}

#[tokio::test]
async fn a_redis_that_does_not_answer_in_time_is_said_to_be_slow_until_it_does() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let (tests, door, shared, courier) =
        limits(redis.url(), Quota::per_hour(80).build().unwrap(), "slow");
    tokio::spawn(courier.run());
    together(&shared).await;
    redis.pause().unwrap();
    assert_eq!(try_one(&tests, &door).unwrap().standings().basis(), Basis::Together);
    let slow = async {
        let is_slow = |sharing| matches!(sharing, Sharing::Apart { because: Because::Slow, .. });
        while !is_slow(shared.status().sharing) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), slow).await.unwrap();
    assert_eq!(try_one(&tests, &door).unwrap().standings().basis(), Basis::SafeShare);
    redis.resume().unwrap();
    together(&shared).await;
    assert_eq!(try_one(&tests, &door).unwrap().standings().basis(), Basis::Together);
}

#[tokio::test]
async fn what_was_taken_apart_is_told_when_they_come_together() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let quota = Quota::per_hour(8).build().unwrap();
    let (tests, door, shared, courier) = limits(redis.url(), quota, "apart");
    drop(try_one(&tests, &door).unwrap());
    drop(try_one(&tests, &door).unwrap());
    assert!(try_one(&tests, &door).is_err());
    tokio::spawn(courier.run());
    together(&shared).await;
    let more = allowed_within(&tests, &door, 7, Duration::from_secs(2)).await;
    assert_eq!(more, 6, "of eight");
}

#[tokio::test]
async fn a_courier_that_stands_still_leaves_the_safe_share() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let quota = Quota::per_hour(80).build().unwrap();
    let (tests, door, shared, courier) =
        limits_of(TestAuthority::new(), redis.url(), quota, "still");
    let mut run = std::pin::pin!(courier.run());
    while shared.status().sharing != Sharing::Together {
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut run).await.is_err());
    }
    // Nobody polls it any more. There is the credit, and then nothing, but not for ever.
    let allowed = || (0..100).filter(|_| try_one(&tests, &door).is_ok()).count();
    assert_eq!(allowed(), 10);
    tests.clock().advance(Duration::from_millis(501));
    assert_eq!(allowed(), 20);
    assert_eq!(try_one(&tests, &door).unwrap_err().standings().basis(), Basis::SafeShare);
}
