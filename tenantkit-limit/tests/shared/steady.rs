//! While Redis answers.

use std::time::{Duration, Instant};

use redis::Client;
use tenantkit_core::{TenantRecord, test_util::TestAuthority};
use tenantkit_limit::{
    limits::{Basis, ResourceLimits},
    quota::{Cost, Quota},
    shared::{Because, SharedRates, Sharing},
};
use throwaway::{Redis, tools};

use crate::process::{Load, PROCESSES, all, build, limits};

/// What a busy machine may take for an answer, where the answer is not what is tried.
const PATIENT: Duration = Duration::from_secs(2);

/// `rate * term`, and what each process may have admitted that Redis has not heard of.
pub(crate) fn overshoot(quota: u32) -> f64 {
    let credit = quota.div_ceil(2 * PROCESSES.get());
    f64::from(quota) * 1.0 + f64::from(PROCESSES.get() * credit)
}

/// Waits until this process shares.
pub(crate) async fn together(shared: &SharedRates) {
    while shared.status().sharing != Sharing::Together {
        tokio::task::yield_now().await;
    }
}

/// How many of cost one are allowed to `acme` in this time, and it stops at so many.
pub(crate) async fn allowed_within(
    tests: &TestAuthority,
    door: &ResourceLimits,
    at_most: u32,
    span: Duration,
) -> u32 {
    let (acme, start) = (tests.context("acme"), Instant::now());
    let mut allowed = 0;
    while allowed < at_most && start.elapsed() < span {
        match door.try_enter(&acme, Cost::ONE) {
            Ok(_) => allowed += 1,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    allowed
}

/// How often the script was called, by clients and in all.
fn calls(url: &str) -> u64 {
    let mut connection = Client::open(url).unwrap().get_connection().unwrap();
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut connection).unwrap();
    let of = |command: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(command));
        line.map_or(0, |line| line.split(',').next().unwrap().parse::<u64>().unwrap())
    };
    of("cmdstat_evalsha:calls=") + of("cmdstat_eval:calls=") + of("cmdstat_script|load:calls=")
}

#[test]
fn four_processes_together_allow_one_quota_and_use_it() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let span = Duration::from_secs(5);
    let load = Load { quota: 1_000, offered: 1_000, span, deadline: PATIENT };
    let done = all(redis.url(), &[load; 4], || {});

    let (quota, seconds) = (1_000.0, span.as_secs_f64());
    let allowed = done.allowed() as f64;
    let most = done.most_beyond(1_000);
    println!(
        "allowed {allowed} of {} asked; burst + rate * T = {}; beyond rate * T in any span {most:.0}, \
         bound {}; {} calls",
        done.asked,
        quota + quota * seconds,
        quota + overshoot(1_000),
        done.calls,
    );
    assert!(most <= quota + overshoot(1_000), "{most}");
    assert!(allowed >= 0.9 * (quota + quota * seconds), "{allowed}");
    assert_eq!(done.apart, 0);
    // Also when most of it is refused. Each process says hello with one, and has one that nobody has
    // paid for yet.
    assert!((done.calls - 8) * 50 <= done.asked, "{} calls for {}", done.calls, done.asked);
}

#[test]
fn in_steady_state_there_are_fifty_requests_for_each_call() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let before = calls(redis.url());
    let load = Load { quota: 2_000, offered: 400, span: Duration::from_secs(5), deadline: PATIENT };
    let done = all(redis.url(), &[load; 4], || {});
    let calls = calls(redis.url()) - before;
    println!("{} asked, {} allowed, {calls} calls by Redis' count", done.asked, done.allowed());
    assert_eq!(done.apart, 0);
    assert!(done.allowed() * 1_000 >= done.asked * 999, "{} of {}", done.allowed(), done.asked);
    assert!((calls - 8) * 50 <= done.asked, "{calls} calls for {}", done.asked);
}

#[test]
fn a_tenant_that_asks_one_process_only_has_the_whole_quota_there() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let span = Duration::from_secs(4);
    let busy = Load { quota: 500, offered: 475, span, deadline: PATIENT };
    let idle = Load { offered: 0, ..busy };
    let done = all(redis.url(), &[busy, idle, idle, idle], || {});
    println!("{} of {} allowed", done.allowed(), done.asked);
    assert!(done.allowed() * 100 >= done.asked * 99, "{} of {}", done.allowed(), done.asked);
}

#[tokio::test]
async fn a_thousand_tenants_are_told_of_in_a_few_calls() {
    let Some(redis) = tools::or_skip(Redis::from_env_or_start()) else { return };
    let quota = Quota::per_hour(100).build().unwrap();
    let (tests, door, shared, courier) = limits(redis.url(), quota, "many");
    let tier = tests.authority().tiers().iter().next().unwrap();
    let contexts: Vec<_> = (0..1_000)
        .map(|number| {
            let name = format!("tenant-{number}");
            tests.directory().set(name.parse().unwrap(), TenantRecord::active(tier));
            tests.context(&name)
        })
        .collect();
    let courier = tokio::spawn(courier.run());
    together(&shared).await;
    for context in &contexts {
        let entered = door.try_enter(context, Cost::ONE).unwrap();
        assert_eq!(entered.standings().basis(), Basis::Together);
        assert_eq!(entered.standings().iter().next().unwrap().remaining, 99);
    }
    let mut connection = Client::open(redis.url()).unwrap().get_connection().unwrap();
    let mut keys = || {
        let keys: Vec<String> = redis::cmd("KEYS").arg("many:*").query(&mut connection).unwrap();
        keys
    };
    while keys().len() < 1_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Hello, and two that are full or as good as full.
    assert!(shared.status().counts.calls <= 5, "{:?}", shared.status());
    assert!(keys().contains(&"many:{tenant-7}:api".to_owned()));
    courier.abort();
    redis::cmd("DEL").arg(keys()).exec(&mut connection).unwrap();
}

#[tokio::test]
async fn newcomers_past_the_room_have_their_safe_share() {
    let Some(redis) = tools::or_skip(Redis::from_env_or_start()) else { return };
    let tests = TestAuthority::new();
    let quota = Quota::per_hour(8).build().unwrap();
    let (door, shared, courier) = build(
        &tests,
        quota,
        SharedRates::builder(redis.url(), PROCESSES).prefix("room").most_accounts(0),
    );
    let courier = tokio::spawn(courier.run());
    together(&shared).await;
    let acme = tests.context("acme");
    for _ in 0..2 {
        let entered = door.try_enter(&acme, Cost::ONE).unwrap();
        assert_eq!(entered.standings().basis(), Basis::SafeShare);
    }
    assert!(door.try_enter(&acme, Cost::ONE).is_err());
    let counts = shared.status().counts;
    assert_eq!((counts.decided, counts.decided_apart), (3, 3));
    assert!(counts.decided_at_capacity >= 3 && shared.is_empty());
    courier.abort();
}

#[tokio::test]
async fn what_a_call_did_not_cost_is_there_again() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let quota = Quota::per_hour(40).build().unwrap();
    let (tests, door, shared, courier) = limits(redis.url(), quota, "correct");
    tokio::spawn(courier.run());
    together(&shared).await;
    let acme = tests.context("acme");
    let mut entered = door.try_enter(&acme, Cost::new(40).unwrap()).unwrap();
    assert_eq!(entered.standings().iter().next().unwrap().remaining, 0);
    assert!(door.try_enter(&acme, Cost::ONE).is_err());
    assert_eq!(entered.correct(10), 0);
    assert_eq!(entered.correct(10), 0, "once");
    assert_eq!(allowed_within(&tests, &door, 31, Duration::from_secs(2)).await, 30);
}

#[tokio::test]
async fn the_least_rights_that_the_documentation_names_are_enough_and_fewer_are_refused_aloud() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let mut connection = Client::open(redis.url()).unwrap().get_connection().unwrap();
    let mut user = |rules: &[&str]| {
        redis::cmd("ACL").arg("SETUSER").arg("kit").arg(rules).exec(&mut connection).unwrap();
    };
    user(&["on", ">secret", "~rights:*", "+evalsha", "+script|load", "+time", "+get", "+del"]);
    let url = redis.url().replace("//", "//kit:secret@");
    let (tests, door, shared, courier) =
        limits(&url, Quota::per_hour(80).build().unwrap(), "rights");
    tokio::spawn(courier.run());
    together(&shared).await;
    // It may not write.
    let refused = |sharing| matches!(sharing, Sharing::Apart { because: Because::Refused, .. });
    let patience = Instant::now() + Duration::from_secs(20);
    while !refused(shared.status().sharing) && Instant::now() < patience {
        let _ = door.try_enter(&tests.context("acme"), Cost::ONE);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(refused(shared.status().sharing), "{:?}", shared.status());
    user(&["+set"]);
    let patience = Instant::now() + Duration::from_secs(20);
    while shared.status().counts.leased == 0 && Instant::now() < patience {
        let _ = door.try_enter(&tests.context("acme"), Cost::ONE);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(shared.status().sharing, Sharing::Together, "{:?}", shared.status());
}
