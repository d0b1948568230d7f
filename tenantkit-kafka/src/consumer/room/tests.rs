use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { bytes: 1024 * 1024, records: 1000, record: 10_000 };

fn lane(number: u8) -> Lane {
    match number {
        0 => Lane::Unverified,
        number => Lane::Tenant(format!("tenant-{number}").parse().unwrap()),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Take(u8, usize),
    GiveBack(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..6_u8, 0..10_000_usize).prop_map(|(lane, bytes)| Step::Take(lane, bytes)),
        1 => (0..4096_usize).prop_map(Step::GiveBack),
    ];
    prop::collection::vec(step, 0..600)
}

proptest! {
    #[test]
    fn never_more_is_held_than_there_is_room_for_and_each_lane_finds_some(steps in steps()) {
        let room = Room::new(BOUNDS);
        let mut held: Vec<(u8, usize, Kept)> = Vec::new();
        for step in steps {
            match step {
                Step::Take(number, bytes) => {
                    let (used, _) = room.used();
                    let of_lane: usize =
                        held.iter().filter(|(of, ..)| *of == number).map(|(_, bytes, _)| bytes + OVERHEAD).sum();
                    match room.take(lane(number), bytes) {
                        Some(kept) => {
                            prop_assert!(of_lane + bytes + OVERHEAD <= BOUNDS.bytes - used);
                            held.push((number, bytes, kept));
                        }
                        None => prop_assert!(of_lane > 0, "one that has nothing finds room"),
                    }
                }
                Step::GiveBack(_) if held.is_empty() => {}
                Step::GiveBack(at) => drop(held.swap_remove(at % held.len())),
            }
            let bytes: usize = held.iter().map(|(_, bytes, _)| bytes + OVERHEAD).sum();
            prop_assert_eq!(room.used(), (bytes, held.len()));
            prop_assert!(bytes <= BOUNDS.bytes && held.len() <= BOUNDS.records);
        }
        drop(held);
        prop_assert_eq!(room.used(), (0, 0));
        prop_assert!(room.taken().lanes.is_empty());
    }
}

#[test]
fn one_that_takes_all_it_gets_leaves_half_to_the_others() {
    let room = Room::new(BOUNDS);
    let mut heavy = Vec::new();
    while let Some(kept) = room.take(lane(1), 100) {
        heavy.push(kept);
    }
    assert_eq!(heavy.len(), 500);
    assert!(!room.is_wide(&lane(1)));
    assert!(room.is_wide(&lane(2)));
    let light = room.take(lane(2), BOUNDS.record);
    assert!(light.is_some());
    heavy.truncate(200);
    assert!(room.is_wide(&lane(1)));
}

#[test]
fn who_has_nothing_finds_the_room_of_one_largest_record_however_many_are_greedy() {
    let room = Room::new(BOUNDS);
    let mut held = Vec::new();
    for number in 1..8 {
        while let Some(kept) = room.take(lane(number), 2_000) {
            held.push(kept);
        }
    }
    assert!(room.take(lane(8), BOUNDS.record).is_some());
}
