//! While Redis answers.

use std::time::Duration;

use redis::Client;
use throwaway::{Redis, tools};

use crate::process::{Load, PROCESSES, all};

/// `rate * term`, and what each process may have admitted that Redis has not heard of.
pub(crate) fn overshoot(quota: u32) -> f64 {
    let credit = quota.div_ceil(2 * PROCESSES.get());
    f64::from(quota) * 1.0 + f64::from(PROCESSES.get() * credit)
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
    let load = Load { quota: 1_000, offered: 1_000, span };
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
}

#[test]
fn in_steady_state_there_are_fifty_requests_for_each_call() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let before = calls(redis.url());
    let load = Load { quota: 2_000, offered: 400, span: Duration::from_secs(5) };
    let done = all(redis.url(), &[load; 4], || {});
    let calls = calls(redis.url()) - before;
    println!("{} asked, {} allowed, {calls} calls by Redis' count", done.asked, done.allowed());
    assert_eq!(done.apart, 0);
    assert!(done.allowed() * 1_000 >= done.asked * 999, "{} of {}", done.allowed(), done.asked);
    // Each process says hello with one, and has one that nobody has paid for yet.
    assert!((calls - 8) * 50 <= done.asked, "{calls} calls for {}", done.asked);
}

#[test]
fn a_tenant_that_asks_one_process_only_has_the_whole_quota_there() {
    let Some(redis) = tools::or_skip(Redis::start()) else { return };
    let span = Duration::from_secs(4);
    let busy = Load { quota: 500, offered: 475, span };
    let idle = Load { offered: 0, ..busy };
    let done = all(redis.url(), &[busy, idle, idle, idle], || {});
    println!("{} of {} allowed", done.allowed(), done.asked);
    assert!(done.allowed() * 100 >= done.asked * 99, "{} of {}", done.allowed(), done.asked);
}
