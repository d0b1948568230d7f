//! Single decisions.

use std::time::Duration;

use tenantkit_core::{Door, ManualClock, Reason, Tier, TierSet, UnixTime};
use tenantkit_limit::admission::{Admission, InvalidThresholds};

use crate::server::TIERS;

fn tier(name: &str) -> Tier {
    TIERS.get(name).unwrap()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// With thresholds of 20, 40, 60 and 80 ms.
fn admission() -> (Admission, ManualClock) {
    let clock = ManualClock::at(UnixTime::EPOCH);
    let builder = Admission::builder(TIERS).thresholds(millis(20), millis(80));
    (builder.clock(clock.clone()).build().unwrap(), clock)
}

/// Which tiers are admitted now.
fn admitted(admission: &Admission) -> Vec<&'static str> {
    let open = TIERS.iter().filter(|tier| admission.admit(*tier).is_ok());
    let names = ["bronze", "silver", "gold", "platinum"];
    open.map(|tier| names[tier.rank()]).collect()
}

#[test]
fn while_nothing_begins_one_tier_after_the_other_is_shed() {
    let (admission, clock) = admission();
    let mut stuck = admission.admit(tier("bronze")).unwrap();
    let open = [4, 4, 3, 3, 2, 2, 1, 1, 0]
        .map(|open| &["bronze", "silver", "gold", "platinum"][4 - open..]);
    for open in open {
        assert_eq!(admitted(&admission), open);
        clock.advance(millis(10) + Duration::from_micros(10));
    }
    stuck.begin();
    assert_eq!(admitted(&admission).len(), 4);
}

#[test]
fn a_queue_that_stops_is_noticed_however_fast_it_was() {
    let (admission, clock) = admission();
    let mut fast: Vec<_> = (0..10).map(|_| admission.admit(tier("bronze")).unwrap()).collect();
    for admitted in &mut fast {
        clock.advance(Duration::from_micros(1));
        admitted.begin();
    }
    let _stuck = admission.admit(tier("bronze")).unwrap();
    assert_eq!(admitted(&admission).len(), 4);
    clock.advance(millis(90));
    assert_eq!(admitted(&admission).len(), 0);
}

#[test]
fn who_has_few_ahead_is_admitted_where_the_last_in_the_queue_would_not_be() {
    let (admission, clock) = admission();
    let mut line: Vec<_> = (0..400).map(|_| admission.admit(tier("platinum")).unwrap()).collect();
    for admitted in &mut line[..256] {
        clock.advance(millis(1));
        admitted.begin();
    }
    // 144 of 1 ms each, and an eighth or so for what the mean may be wrong by.
    assert_eq!(admitted(&admission).len(), 0);
    let bronze = tier("bronze");
    assert_eq!(admission.admit_behind(bronze, 12).unwrap_err().reason(), Reason::LoadShed);
    drop(admission.admit_behind(bronze, 5).unwrap());
    drop(admission.admit_behind(tier("platinum"), 30).unwrap());

    // Nothing begins: that is waited for by all but who begins at once.
    clock.advance(millis(50));
    assert_eq!(admission.admit_behind(bronze, 1).unwrap_err().reason(), Reason::LoadShed);
    drop(admission.admit_behind(bronze, 0).unwrap());
}

#[test]
fn how_fast_a_queue_drains_is_not_learned_from_times_without_one() {
    let (admission, clock) = admission();
    for _ in 0..1000 {
        admission.admit(tier("bronze")).unwrap().begin();
        clock.advance(millis(500));
    }
    let mut line: Vec<_> = (0..15).map(|_| admission.admit(tier("platinum")).unwrap()).collect();
    for admitted in &mut line[..5] {
        clock.advance(millis(10));
        admitted.begin();
    }
    // Ten that take ten milliseconds each, and what may be wrong with a mean of so few.
    let wait = admission.expected_wait();
    assert!((millis(100)..millis(300)).contains(&wait), "{wait:?}");
}

#[test]
fn a_tier_that_is_shed_comes_back_at_half_of_its_threshold() {
    let (admission, clock) = admission();
    let open = |wait| {
        admission.observe(millis(wait));
        admitted(&admission).len()
    };
    assert_eq!(open(90), 4, "the interval is not over");
    clock.advance(millis(100));
    assert_eq!(open(90), 0);
    // A shorter one counts at once.
    assert_eq!([open(41), open(39)], [0, 1], "platinum comes at 40");
    assert_eq!([open(31), open(29)], [1, 2]);
    assert_eq!([open(21), open(19)], [2, 3]);
    assert_eq!([open(11), open(9)], [3, 4]);
}

#[test]
fn one_long_wait_among_short_ones_is_no_overload_and_an_old_one_counts_no_more() {
    let (admission, clock) = admission();
    for wait in [1, 500, 500] {
        admission.observe(millis(wait));
    }
    assert_eq!(admitted(&admission).len(), 4);
    clock.advance(millis(100));
    admission.observe(millis(500));
    clock.advance(millis(100));
    admission.observe(millis(500));
    assert_eq!(admitted(&admission).len(), 0, "for a whole interval none was shorter");
    clock.advance(millis(250));
    assert_eq!(admitted(&admission).len(), 4);
}

#[test]
fn a_refusal_tells_in_what_time_the_queue_is_short_enough() {
    let (admission, clock) = admission();
    let _stuck = admission.admit(tier("bronze")).unwrap();
    clock.advance(millis(90));
    let refused = admission.admit(tier("platinum")).unwrap_err();
    assert_eq!((refused.reason(), refused.door()), (Reason::LoadShed, Door::Permit));
    assert_eq!(refused.wait(), Some(millis(90 - 40)));
    assert_eq!(admission.admit(tier("bronze")).unwrap_err().wait(), Some(millis(90 - 10)));
}

#[test]
fn who_gives_up_while_it_waits_leaves_the_queue_also_by_a_panic() {
    let (admission, clock) = admission();
    let waits = admission.admit(tier("gold")).unwrap();
    let unwinds = admission.admit(tier("gold")).unwrap();
    assert_eq!(admission.queued(), 2);
    clock.advance(millis(100));
    assert_eq!(admitted(&admission).len(), 0);
    drop(waits);
    let thread = std::thread::spawn(move || {
        let _unwinds = unwinds;
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    assert_eq!((admission.queued(), admission.expected_wait()), (0, Duration::ZERO));
    assert_eq!(admitted(&admission).len(), 4);
}

#[test]
fn to_begin_twice_counts_once() {
    let (admission, clock) = admission();
    let mut first = admission.admit(tier("gold")).unwrap();
    let second = admission.admit(tier("gold")).unwrap();
    clock.advance(millis(5));
    assert_eq!(first.begin(), millis(5));
    first.begin();
    drop(first);
    assert_eq!(admission.queued(), 1);
    drop(second);
}

#[test]
fn the_queue_has_an_end_whatever_it_drains_like() {
    let clock = ManualClock::at(UnixTime::EPOCH);
    let admission = Admission::builder(TIERS).queue(3).clock(clock).build().unwrap();
    let held: Vec<_> = (0..3).map(|_| admission.admit(tier("platinum")).unwrap()).collect();
    assert_eq!(admission.admit(tier("platinum")).unwrap_err().reason(), Reason::LoadShed);
    drop(held);
    assert!(admission.admit(tier("platinum")).is_ok());
}

#[test]
fn a_tier_of_another_set_is_refused() {
    const OTHERS: TierSet = TierSet::new(&["free"]);
    let (admission, _clock) = admission();
    let refused = admission.admit(OTHERS.get("free").unwrap()).unwrap_err();
    assert_eq!(refused.reason(), Reason::UnknownTier);
}

#[test]
fn thresholds_that_make_no_sense_are_refused() {
    let build = |first, last| Admission::builder(TIERS).thresholds(first, last).build();
    assert_eq!(build(millis(0), millis(1)).unwrap_err(), InvalidThresholds::Zero);
    assert_eq!(build(millis(2), millis(1)).unwrap_err(), InvalidThresholds::Contradictory);
    let none = Admission::builder(TIERS).queue(0).build();
    assert_eq!(none.unwrap_err(), InvalidThresholds::Zero);
}
