//! The script, on a real server, against an exact model.

use std::cell::{Cell, RefCell};

use proptest::{prelude::*, test_runner::TestRunner};
use redis::{Client, Connection, Script, cmd};
use throwaway::{Redis, tools};

/// With a time that is told.
fn script() -> Script {
    let lease = include_str!("../../src/shared/lease.lua");
    Script::new(&format!("local now = tonumber(ARGV[#ARGV])\n{lease}"))
}

/// A burst, a count, and a period in microseconds.
type Window = (u32, u32, u64);

#[derive(Debug, Clone, Copy, Default)]
struct Ask {
    debt: u32,
    want: u32,
    least: u32,
    back: u32,
    back_at: u64,
}

fn call(
    connection: &mut Connection,
    key: &str,
    windows: &[Window],
    ask: Ask,
    now: u64,
) -> (u32, Vec<f64>) {
    let script = script();
    let mut call = script.key(key);
    call.arg(ask.debt).arg(ask.want).arg(ask.least).arg(ask.back).arg(ask.back_at);
    call.arg(windows.len());
    for (burst, count, period) in windows {
        call.arg(burst).arg(count).arg(period);
    }
    let answer: Vec<String> = call.arg(now).invoke(connection).unwrap();
    assert_eq!(answer[0].parse::<u64>().unwrap(), now);
    let levels = answer[2..].iter().map(|level| level.parse().unwrap()).collect();
    (answer[1].parse().unwrap(), levels)
}

fn connect() -> Option<(Redis, Connection)> {
    let redis = tools::or_skip(Redis::from_env_or_start())?;
    let connection = Client::open(redis.url()).unwrap().get_connection().unwrap();
    Some((redis, connection))
}

fn cases() -> impl Strategy<Value = (Vec<Window>, Vec<(u64, Ask)>)> {
    let window = |period| {
        (prop_oneof![1_u32..50, 1_u32..100_000], 1_u32..5_000)
            .prop_map(move |(burst, count)| (burst, count, period))
    };
    let windows = prop_oneof![
        window(1_000_000).prop_map(|one| vec![one]),
        (window(1_000_000), window(60_000_000)).prop_map(|(one, two)| vec![one, two]),
        (window(1_000), window(60_000_000), window(86_400_000_000))
            .prop_map(|(one, two, three)| vec![one, two, three]),
    ];
    let ask =
        (0_u32..20, 0_u32..300, 0_u32..20, prop_oneof![Just(0_u32), 0_u32..50], 0_u64..2_000_000)
            .prop_map(|(debt, want, least, back, age)| Ask {
                debt,
                want,
                least,
                back,
                back_at: age,
            });
    let wait = prop_oneof![0_u64..1_000, 0_u64..3_000_000, Just(90_000_000_000)];
    (windows, proptest::collection::vec((wait, ask), 1..30))
}

#[test]
fn the_script_never_leases_more_than_an_exact_model_and_at_most_one_less() {
    let Some((_redis, connection)) = connect() else { return };
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    });
    let (connection, number) = (RefCell::new(connection), Cell::new(0));
    runner
        .run(&cases(), |(windows, steps)| {
            number.set(number.get() + 1);
            let key = format!("model:{}:{}", std::process::id(), number.get());
            let connection = &mut *connection.borrow_mut();
            // Of each window its level times its period: whole numbers.
            let mut exact = vec![0_i128; windows.len()];
            let (mut now, mut at) = (1_800_000_000_000_000_u64, 1_800_000_000_000_000_u64);
            for (wait, mut ask) in steps {
                now += wait;
                ask.back_at = now - ask.back_at;
                let (leased, levels) = call(connection, &key, &windows, ask, now);
                let mut room = i128::MAX;
                for (level, (burst, count, period)) in exact.iter_mut().zip(&windows) {
                    let (count, period) = (i128::from(*count), i128::from(*period));
                    *level = (*level - i128::from(now - at) * count).max(0);
                    let age = i128::from(now - ask.back_at);
                    let back = i128::from(ask.back) * period - age * count;
                    *level = (*level - back.max(0)).max(0) + i128::from(ask.debt) * period;
                    room = room.min((i128::from(*burst) * period - *level).div_euclid(period));
                }
                at = now;
                let asked = i128::from(ask.want.max(ask.least));
                let may =
                    if room > 0 && room >= i128::from(ask.least) { asked.min(room) } else { 0 };
                let leased_exact = i128::from(leased);
                prop_assert!(leased_exact <= may, "{leased} of {may}");
                let on_the_edge = may - i128::from(ask.least).max(1);
                prop_assert!(leased_exact >= may - 1 || (leased == 0 && on_the_edge <= 0));
                for ((level, script), (_, _, period)) in exact.iter_mut().zip(&levels).zip(&windows)
                {
                    *level += leased_exact * i128::from(*period);
                    let level = *level as f64 / *period as f64;
                    prop_assert!(*script >= level * (1.0 - 1e-15), "{script} is below {level}");
                    prop_assert!(
                        *script <= level * (1.0 + 1e-9) + 1e-6,
                        "{script} is above {level}"
                    );
                }
            }
            Ok(())
        })
        .unwrap();
}

const HUNDRED: &[Window] = &[(100, 100, 1_000_000)];
const NOW: u64 = 1_800_000_000_000_000;
const WANT: Ask = Ask { debt: 0, want: 60, least: 0, back: 0, back_at: 0 };

#[test]
fn a_value_that_is_not_ours_counts_as_a_tenant_that_has_taken_everything() {
    let Some((_redis, mut connection)) = connect() else { return };
    let long = "1 ".repeat(300);
    let garbage = [
        "",
        "x",
        "nan",
        "1",
        "1 2",
        "1 2 3",
        "1 1000000 100 nan",
        "1 1000000 100 -5",
        "-1 1000000 100 0",
        "1 1000000 100 inf",
        "1e300 1000000 100 0",
        "1 1000000 100 0 7",
        "1 1000000 0 0",
        &long,
    ];
    for value in garbage {
        cmd("SET").arg("garbage").arg(value).exec(&mut connection).unwrap();
        assert_eq!(call(&mut connection, "garbage", HUNDRED, WANT, NOW).0, 0, "{value}");
        // And it heals.
        assert_eq!(call(&mut connection, "garbage", HUNDRED, WANT, NOW + 700_000).0, 60, "{value}");
    }
    cmd("DEL").arg("garbage").exec(&mut connection).unwrap();
    cmd("LPUSH").arg("garbage").arg("a list").exec(&mut connection).unwrap();
    assert_eq!(call(&mut connection, "garbage", HUNDRED, WANT, NOW).0, 0);
    assert_eq!(call(&mut connection, "garbage", HUNDRED, WANT, NOW + 700_000).0, 60);
    cmd("DEL").arg("garbage").exec(&mut connection).unwrap();
}

#[test]
fn a_key_goes_when_all_is_earned_back_and_not_before() {
    let Some((_redis, mut connection)) = connect() else { return };
    let windows = &[(100, 100, 1_000_000), (1_000, 1_000, 60_000_000)];
    assert_eq!(call(&mut connection, "life", windows, WANT, NOW).0, 60);
    let life: u64 = cmd("PTTL").arg("life").query(&mut connection).unwrap();
    // 60 of 1,000 a minute are 3.6 s, and a second more.
    assert!((4_400..=4_601).contains(&life), "{life}");
    // All given back at once: nothing is kept, but for what roundings cost.
    let back = Ask { want: 0, back: 60, back_at: NOW, ..WANT };
    call(&mut connection, "life", windows, back, NOW);
    let life: i64 = cmd("PTTL").arg("life").query(&mut connection).unwrap();
    assert!(life <= 1_001, "{life}");
}

#[test]
fn a_refusal_by_one_window_takes_nothing_from_the_others() {
    let Some((_redis, mut connection)) = connect() else { return };
    let windows = &[(100, 100, 1_000_000), (120, 60, 60_000_000)];
    assert_eq!(call(&mut connection, "all", windows, Ask { want: 100, ..WANT }, NOW).0, 100);
    let later = NOW + 1_000_000;
    let (leased, levels) = call(&mut connection, "all", windows, Ask { least: 50, ..WANT }, later);
    assert!(leased == 0 && levels[0] < 1e-9, "{leased} {levels:?}");
    cmd("DEL").arg("all").exec(&mut connection).unwrap();
}

#[test]
fn a_clock_that_goes_back_and_a_quota_that_changes_forgive_no_more_than_a_burst() {
    let Some((_redis, mut connection)) = connect() else { return };
    assert_eq!(call(&mut connection, "back", HUNDRED, Ask { want: 100, ..WANT }, NOW).0, 100);
    // An hour back: nothing is earned by it, and it earns from there.
    let before = NOW - 3_600_000_000;
    assert_eq!(call(&mut connection, "back", HUNDRED, WANT, before).0, 0);
    assert_eq!(call(&mut connection, "back", HUNDRED, WANT, before + 500_001).0, 50);
    // Now 100 are taken. Of 200, 100 are left; of 40, none.
    let (double, less) = (&[(200, 100, 1_000_000)], &[(40, 100, 1_000_000)]);
    let much = Ask { want: 500, ..WANT };
    assert_eq!(call(&mut connection, "back", double, much, before + 500_001).0, 100);
    assert_eq!(call(&mut connection, "back", less, much, before + 500_001).0, 0);
    assert_eq!(call(&mut connection, "back", less, much, before + 700_002).0, 20);
    cmd("DEL").arg("back").exec(&mut connection).unwrap();
}
