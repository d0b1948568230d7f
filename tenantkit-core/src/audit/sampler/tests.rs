use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::RefusalCode;

const WINDOW: Duration = Duration::from_secs(10);
const REASONS: [Reason; 3] = [Reason::Expired, Reason::TenantSuspended, Reason::BadSignature];

fn sampler(at_most: u32) -> Sampler {
    Sampler::new(NonZeroU32::new(at_most).unwrap(), WINDOW)
}

fn tenant(number: usize) -> TenantId {
    format!("t{number}").parse().unwrap()
}

fn refusal(reason: Reason) -> Refusal {
    Refusal::new(reason, Door::Request)
}

/// Reason, tenant, count and door.
type Told = (usize, Option<TenantId>, u64, Option<&'static str>);

/// How many were recorded and dropped, and at which doors the dropped.
type Seen = (u32, u64, BTreeSet<&'static str>);

/// What the sampler promises, as plainly as it can be written.
#[derive(Default)]
struct Model {
    ends: Duration,
    seen: BTreeMap<(usize, Option<TenantId>), Seen>,
}

impl Model {
    fn end(&mut self, now: Duration) -> Vec<Told> {
        if now < self.ends {
            return Vec::new();
        }
        let windows = 1 + (now - self.ends).as_nanos() / WINDOW.as_nanos();
        self.ends = now + WINDOW;
        let dropped = self.flush();
        self.seen.retain(|(_, tenant), _| tenant.is_none());
        for (recorded, ..) in self.seen.values_mut() {
            *recorded = recorded.saturating_sub(u32::try_from(windows).unwrap());
        }
        dropped
    }

    fn flush(&mut self) -> Vec<Told> {
        let mut dropped = Vec::new();
        for ((reason, tenant), (_, count, doors)) in &mut self.seen {
            if *count > 0 {
                let door = (doors.len() == 1).then(|| *doors.first().unwrap());
                dropped.push((*reason, *tenant, *count, door));
            }
            *count = 0;
            doors.clear();
        }
        dropped
    }

    fn admit(
        &mut self,
        at_most: u32,
        reason: Reason,
        door: Door,
        tenant: Option<TenantId>,
    ) -> bool {
        let (recorded, count, doors) = self.seen.entry((reason as usize, tenant)).or_default();
        if *recorded < at_most {
            *recorded += 1;
            return true;
        }
        *count += 1;
        doors.insert(door.as_str());
        false
    }
}

fn plain(dropped: Vec<Dropped>) -> Vec<Told> {
    let mut plain: Vec<_> = dropped
        .into_iter()
        .map(|it| (it.reason as usize, it.tenant, it.count, it.door.map(Door::as_str)))
        .collect();
    plain.sort_unstable();
    plain
}

#[derive(Debug, Clone)]
enum Step {
    Refused(usize, bool, Option<usize>),
    Other,
    Flush,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..REASONS.len(), any::<bool>(), prop::option::of(0..4_usize))
            .prop_map(|(reason, door, tenant)| Step::Refused(reason, door, tenant)),
        1 => Just(Step::Other),
        1 => Just(Step::Flush),
        2 => (0..12_000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn it_records_and_counts_what_the_plain_model_does(at_most in 1..5_u32, steps in steps()) {
        let (sampler, mut model, mut now) = (sampler(at_most), Model::default(), Duration::ZERO);
        for step in steps {
            match step {
                Step::Refused(reason, door, number) => {
                    let (reason, tenant) = (REASONS[reason], number.map(tenant));
                    let door = if door { Door::Request } else { Door::Call };
                    let verdict = sampler.admit(Refusal::new(reason, door), tenant.as_ref(), now);
                    prop_assert_eq!(plain(verdict.dropped), model.end(now));
                    prop_assert_eq!(verdict.record, model.admit(at_most, reason, door, tenant));
                }
                Step::Other => prop_assert_eq!(plain(sampler.ended(now)), model.end(now)),
                Step::Flush => {
                    let mut dropped = model.end(now);
                    dropped.extend(model.flush());
                    prop_assert_eq!(plain(sampler.flush(now)), dropped);
                }
                Step::Wait(millis) => now += Duration::from_millis(millis),
            }
        }
    }
}

#[test]
fn a_flood_of_one_tenant_hides_neither_another_tenant_nor_another_reason() {
    let (sampler, flood, quiet) = (sampler(2), tenant(0), tenant(1));
    for _ in 0..100_000 {
        sampler.admit(refusal(Reason::Expired), Some(&flood), WINDOW);
        sampler.admit(refusal(Reason::Expired), None, WINDOW);
    }
    let judge = |reason, tenant| sampler.admit(refusal(reason), tenant, WINDOW).record;
    assert!(!judge(Reason::Expired, Some(&flood)));
    assert!(judge(Reason::Expired, Some(&quiet)));
    assert!(judge(Reason::TenantSuspended, Some(&flood)));
    assert!(judge(Reason::BadSignature, None));
    // The same code, another reason.
    assert_eq!(Reason::BadSignature.code(), RefusalCode::Unverified);
    assert_eq!(Reason::Expired.code(), RefusalCode::Unverified);
}

#[test]
fn a_flood_of_many_tenants_is_bounded_and_every_refusal_is_told_or_counted() {
    let sampler = sampler(2);
    let mut recorded = 0;
    for number in 0..MAX_KEYS * 2 {
        recorded += u64::from(
            sampler.admit(refusal(Reason::TenantSuspended), Some(&tenant(number)), WINDOW).record,
        );
    }
    // One each while there is room, and two for all the others together.
    assert_eq!(recorded, MAX_KEYS as u64 + 2);
    assert_eq!(sampler.lock().window.by_tenant.len(), MAX_KEYS);
    // The overflow of one reason leaves the others', and what has no tenant, alone.
    assert!(sampler.admit(refusal(Reason::UnknownTenant), Some(&tenant(0)), WINDOW).record);
    assert!(sampler.admit(refusal(Reason::TenantSuspended), None, WINDOW).record);

    let dropped = sampler.ended(WINDOW * 2);
    let [only] = dropped[..] else { panic!("{dropped:?}") };
    assert_eq!((only.reason, only.tenant), (Reason::TenantSuspended, None));
    assert_eq!(recorded + only.count, MAX_KEYS as u64 * 2);
    // Room again.
    let fresh =
        sampler.admit(refusal(Reason::TenantSuspended), Some(&tenant(MAX_KEYS * 3)), WINDOW * 2);
    assert!(fresh.record && sampler.lock().window.by_tenant.len() == 1);
}

#[test]
fn no_call_tells_more_of_a_flood_of_many_tenants_than_a_request_can_bear() {
    let (sampler, many) = (sampler(1), MAX_TOLD * 5 / 2);
    for number in 0..many * 3 {
        sampler.admit(refusal(Reason::TenantSuspended), Some(&tenant(number % many)), WINDOW);
    }
    let judge = || sampler.admit(refusal(Reason::Expired), None, WINDOW * 2).dropped;
    let first = judge();
    let other = sampler.ended(WINDOW * 2);
    let last = judge();
    assert_eq!([first.len(), other.len(), last.len()], [MAX_TOLD, MAX_TOLD, MAX_TOLD / 2]);
    let told = [first, other, last].concat();
    assert!(told.iter().all(|it| it.count == 2));
    let tenants: BTreeSet<_> = told.iter().map(|it| it.tenant.unwrap()).collect();
    assert_eq!(tenants.len(), many);
    assert!(judge().is_empty());
}

#[test]
fn a_flush_tells_all_of_a_flood_of_many_tenants() {
    let (sampler, many) = (sampler(1), MAX_TOLD * 3);
    for number in 0..many * 2 {
        sampler.admit(refusal(Reason::TenantSuspended), Some(&tenant(number % many)), WINDOW);
    }
    let some = sampler.ended(WINDOW * 2);
    assert_eq!((some.len(), sampler.flush(WINDOW * 2).len()), (MAX_TOLD, many - MAX_TOLD));
}

#[test]
fn what_anybody_can_cause_is_recorded_once_a_window_when_it_goes_on() {
    let (sampler, known) = (sampler(3), tenant(0));
    let recorded = |tenant, window: u32| {
        let flood = (0..10).filter(|_| {
            sampler.admit(refusal(Reason::BadSignature), tenant, WINDOW * window).record
        });
        flood.count()
    };
    assert_eq!((1..=4).map(|window| recorded(None, window)).collect::<Vec<_>>(), [3, 1, 1, 1]);
    // What was not used comes back, and no more than there ever was.
    assert_eq!((recorded(None, 6), recorded(None, 20)), (2, 3));
    assert_eq!((recorded(Some(&known), 21), recorded(Some(&known), 22)), (3, 3));
}

#[test]
fn nothing_is_lost_between_threads() {
    let (sampler, each) = (sampler(5), 20_000);
    let tenants = [tenant(0), tenant(1)];
    let told = std::thread::scope(|scope| {
        let floods: Vec<_> = (0..4_usize)
            .map(|thread| {
                let (sampler, tenants) = (&sampler, &tenants);
                scope.spawn(move || {
                    let mut told = 0;
                    for at in 0..each {
                        let now = Duration::from_millis(at);
                        let tenant = Some(&tenants[thread % 2]);
                        let verdict = sampler.admit(refusal(Reason::Expired), tenant, now);
                        told += u64::from(verdict.record);
                        told += verdict.dropped.iter().map(|it| it.count).sum::<u64>();
                    }
                    told
                })
            })
            .collect();
        floods.into_iter().map(|flood| flood.join().unwrap()).sum::<u64>()
    });
    let rest: u64 = sampler.flush(Duration::ZERO).iter().map(|it| it.count).sum();
    assert_eq!(told + rest, 4 * each);
}
