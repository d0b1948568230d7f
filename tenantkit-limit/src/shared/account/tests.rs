use std::{num::NonZeroU32, sync::Arc};

use proptest::prelude::*;

use super::{Account, Answer, Ask, Spans, Terms};
use crate::{quota::Quota, rate::Denial};

const MS: u64 = 1_000_000;
const SPANS: Spans = Spans { term: 1_000 * MS, linger: 200 * MS, patience: 500 * MS };
const FOUR: NonZeroU32 = NonZeroU32::new(4).unwrap();
/// 100 a second, at most 80 at once: the credit of one of four is 10.
const QUOTA: Quota = Quota::per_second(100).burst(80).declare();

fn account() -> Account {
    Account::new(Arc::new(Terms::new(QUOTA, FOUR)))
}

fn answer(leased: u32, level: f64) -> Answer {
    Answer { leased, levels: [level, 0.0, 0.0], stamp: 7 }
}

/// How many of cost one are allowed in a row.
fn allowed(account: &mut Account, now: u64) -> u32 {
    (0..1_000).take_while(|_| account.take(1, now, &SPANS).is_ok()).count() as u32
}

#[test]
fn who_is_not_known_yet_has_its_credit_and_no_more() {
    let mut account = account();
    assert_eq!(allowed(&mut account, 0), 10);
    assert!(account.becomes_due(0));
    let ask = account.ask(0, &SPANS);
    assert_eq!((ask.debt, ask.least), (10, 1));
    // What is being told is not heard yet.
    assert_eq!(allowed(&mut account, 0), 0);
}

#[test]
fn one_call_that_costs_more_than_the_credit_is_allowed_where_nothing_is_owed() {
    let mut account = account();
    assert!(account.take(80, 0, &SPANS).is_ok());
    assert!(account.take(1, 0, &SPANS).is_err());
    let never = Denial::CostTooLarge { window: 0, burst: 80 };
    assert_eq!(account.take(81, 0, &SPANS), Err(never));
}

#[test]
fn a_tenant_that_has_used_up_its_quota_waits_and_costs_no_calls() {
    let mut account = account();
    let _ = account.take(1, 0, &SPANS);
    assert!(account.becomes_due(0));
    account.ask(0, &SPANS);
    account.hear(&answer(0, 81.0), 0, 0, &SPANS);
    // 20 ms until there is room for one.
    let denial = account.take(1, 0, &SPANS).unwrap_err();
    let retry_after = std::time::Duration::from_millis(20);
    assert_eq!(denial, Denial::Exhausted { retry_after, window: 0 });
    assert!(!account.becomes_due(20 * MS - 1));
    assert!(account.take(1, 20 * MS - 1, &SPANS).is_err());
    assert!(account.becomes_due(20 * MS));
    assert!(account.take(1, 20 * MS, &SPANS).is_ok());
}

#[test]
fn what_is_leased_ends_and_is_given_back() {
    let mut account = account();
    let _ = account.take(1, 0, &SPANS);
    account.ask(0, &SPANS);
    let until = account.hear(&answer(30, 60.0), 0, 10 * MS, &SPANS);
    assert_eq!(until, Some(SPANS.term), "from when it was asked for");
    assert_eq!(account.held(SPANS.term - 1), 30);
    assert_eq!(account.held(SPANS.term), 0);
    // In a second all windows have earned 100: there is nothing to give back.
    assert!(!account.lapses(SPANS.term, &SPANS));

    let slow = Quota::per_minute(60).build().unwrap();
    let mut account = Account::new(Arc::new(Terms::new(slow, FOUR)));
    let _ = account.take(1, 0, &SPANS);
    account.ask(0, &SPANS);
    account.hear(&answer(30, 31.0), 0, 0, &SPANS);
    assert!(account.lapses(SPANS.term, &SPANS));
    let ask = account.ask(SPANS.term, &SPANS);
    assert_eq!((ask.back, ask.back_stamp), (30, 7));
    // Whether it was heard or not, it is said once.
    account.failed();
    assert_eq!(account.ask(SPANS.term, &SPANS).back, 0);
}

#[test]
fn leases_that_are_kept_as_one_end_when_the_first_of_them_does() {
    let mut account = account();
    for asked in [0, 100 * MS, 200 * MS] {
        account.ask(asked, &SPANS);
        account.hear(&answer(10, 30.0), asked, asked, &SPANS);
    }
    assert_eq!(account.held(SPANS.term - 1), 30);
    assert_eq!(account.held(SPANS.term), 10);
    assert_eq!(account.held(SPANS.term + 200 * MS), 0);
}

#[test]
fn an_answer_that_comes_after_the_term_is_worth_nothing() {
    let mut account = account();
    account.ask(0, &SPANS);
    assert_eq!(account.hear(&answer(30, 30.0), 0, SPANS.term, &SPANS), None);
    assert_eq!(account.held(SPANS.term), 0);
}

#[test]
fn what_nobody_knows_to_have_been_heard_is_told_again() {
    let mut account = account();
    assert_eq!(allowed(&mut account, 0), 10);
    assert_eq!(account.ask(0, &SPANS).debt, 10);
    account.failed();
    assert_eq!(allowed(&mut account, 0), 0, "it is still owed");
    assert_eq!(account.ask(0, &SPANS).debt, 10);
}

#[test]
fn a_correction_gives_back_what_can_still_be_spent() {
    let mut account = account();
    account.ask(0, &SPANS);
    account.hear(&answer(40, 40.0), 0, 0, &SPANS);
    let taken = account.take(40, 0, &SPANS).unwrap();
    assert_eq!(taken.until, SPANS.term);
    account.give_back(30, taken.until, SPANS.term - 1);
    assert_eq!(account.held(SPANS.term - 1), 30);
    assert_eq!(account.held(SPANS.term), 0);
    account.give_back(10, taken.until, SPANS.term);
    assert_eq!(account.held(SPANS.term), 0);
}

#[test]
fn a_debt_has_an_end() {
    let mut account = account();
    assert_eq!(account.force(u32::MAX), u32::MAX - 160);
    assert_eq!(account.force(1), 1);
    assert_eq!(account.ask(0, &SPANS).debt, 160);
}

#[test]
fn another_quota_starts_with_what_is_known_of_the_old_one() {
    let mut account = account();
    account.ask(0, &SPANS);
    account.hear(&answer(0, 80.0), 0, 0, &SPANS);
    let other = Quota::per_second(100).burst(60).and_per_minute(1_000).build().unwrap();
    account.set_terms(&Arc::new(Terms::new(other, FOUR)));
    assert!(account.take(1, 0, &SPANS).is_err());
    assert_eq!(account.each(0).map(|(remaining, _)| remaining), [0, 920, 0]);
}

#[test]
fn nothing_overflows_at_the_ends_of_time_and_cost() {
    let widest = Quota::per_second(1_000_000).burst(u32::MAX).build().unwrap();
    let one = NonZeroU32::MIN;
    for now in [0, u64::MAX] {
        let mut account = Account::new(Arc::new(Terms::new(widest, one)));
        assert!(account.take(u32::MAX, now, &SPANS).is_ok());
        assert!(account.take(u32::MAX, now, &SPANS).is_err());
        account.becomes_due(now);
        account.ask(now, &SPANS);
        account.hear(&answer(u32::MAX, 9e15), now, now, &SPANS);
        account.lapses(now, &SPANS);
        account.each(now);
        account.force(u32::MAX);
        account.give_back(u32::MAX, now, now);
        account.failed();
        account.is_forsaken(now, &SPANS);
        account.is_idle(now);
    }
}

/// What Redis keeps, and the script, exactly enough.
#[derive(Debug, Default)]
struct Server {
    level: f64,
    at: u64,
}

impl Server {
    fn lease(&mut self, ask: &Ask, now: u64) -> Answer {
        let rate = 100.0 / 1e9;
        self.level = (self.level - (now - self.at) as f64 * rate).max(0.0);
        self.at = now;
        if ask.back > 0 {
            let forgiven = (now - ask.back_stamp) as f64 * rate;
            self.level = (self.level - (f64::from(ask.back) - forgiven).max(0.0)).max(0.0);
        }
        self.level += f64::from(ask.debt);
        let room = (80.0 - self.level).floor();
        let fits = room > 0.0 && room >= f64::from(ask.least);
        let leased = if fits { f64::from(ask.want.max(ask.least)).min(room) } else { 0.0 };
        self.level += leased;
        Answer { leased: leased as u32, levels: [self.level, 0.0, 0.0], stamp: now }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Take {
        process: usize,
        cost: u32,
        times: u32,
    },
    /// A call reaches the server.
    Call {
        process: usize,
    },
    /// Its answer arrives, or is lost.
    Answered {
        process: usize,
        lost: bool,
    },
    Lapse {
        process: usize,
    },
    Pass {
        millis: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let process = 0_usize..4;
    let step = prop_oneof![
        6 => (process.clone(), 1_u32..4, 1_u32..40)
            .prop_map(|(process, cost, times)| Step::Take { process, cost, times }),
        4 => process.clone().prop_map(|process| Step::Call { process }),
        4 => (process.clone(), proptest::bool::weighted(0.1))
            .prop_map(|(process, lost)| Step::Answered { process, lost }),
        1 => process.prop_map(|process| Step::Lapse { process }),
        3 => (0_u64..300).prop_map(|millis| Step::Pass { millis }),
    ];
    proptest::collection::vec(step, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The bound of the module's documentation, and the sharper one that leads to it.
    #[test]
    fn four_processes_never_allow_more_than_the_bound(steps in steps()) {
        let mut server = Server::default();
        let mut processes: Vec<_> = (0..4).map(|_| (account(), None)).collect();
        let (mut now, mut allowed, mut any_lost) = (0_u64, Vec::new(), false);
        for step in steps {
            match step {
                Step::Pass { millis } => now += millis * MS,
                Step::Take { process, cost, times } => {
                    for _ in 0..times {
                        if processes[process].0.take(cost, now, &SPANS).is_ok() {
                            allowed.push((now, f64::from(cost)));
                        }
                    }
                }
                Step::Call { process } => {
                    let (account, call) = &mut processes[process];
                    if call.is_none() && account.becomes_due(now) {
                        let ask = account.ask(now, &SPANS);
                        *call = Some((now, server.lease(&ask, now)));
                    }
                }
                Step::Answered { process, lost } => {
                    let (account, call) = &mut processes[process];
                    match call.take() {
                        Some(_) if lost => {
                            any_lost = true;
                            account.failed();
                        }
                        Some((asked, answer)) => {
                            account.hear(&answer, asked, now, &SPANS);
                        }
                        None => {}
                    }
                }
                Step::Lapse { process } => {
                    processes[process].0.lapses(now, &SPANS);
                }
            }
            // What would be the level if Redis had heard of everything, once: what is lost is told
            // twice.
            let drained = (now - server.at) as f64 * 100.0 / 1e9;
            let unheard: f64 = processes.iter().map(|(account, call)| {
                // What is told is in the server's level already.
                let told = if call.is_some() { account.told } else { 0 };
                account.unheard() - f64::from(told)
            }).sum();
            let level = (server.level - drained).max(0.0) + unheard;
            prop_assert!(any_lost || level <= 80.0 + 40.0 + 1e-6, "{level}");
        }
        for (at, (start, _)) in allowed.iter().enumerate() {
            let mut sum = 0.0;
            for (end, cost) in &allowed[at..] {
                sum += cost;
                let earned = (end - start) as f64 * 100.0 / 1e9;
                prop_assert!(sum <= 80.0 + earned + 100.0 + 40.0 + 1e-6, "{sum} after {earned}");
                prop_assert!(at > 0 || sum <= 80.0 + earned + 40.0 + 1e-6, "{sum} after {earned}");
            }
        }
    }
}
