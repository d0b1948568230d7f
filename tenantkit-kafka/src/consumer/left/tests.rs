use proptest::prelude::*;

use super::*;

fn lane(number: u8) -> Lane {
    match number {
        0 => Lane::Unverified,
        number => Lane::Tenant(format!("tenant-{number}").parse().unwrap()),
    }
}

/// A partition in which each record is of some lane, read by both readers, with room for a few of each lane.
struct Model {
    lanes: Vec<u8>,
    /// The records of each that were taken, in order.
    taken: Vec<Vec<i64>>,
    /// Of those, how many are in memory.
    held: Vec<usize>,
    is_taken: Vec<bool>,
    head: usize,
    left: Left,
}

const MOST: usize = 3;

impl Model {
    fn new(lanes: Vec<u8>) -> Self {
        let is_taken = vec![false; lanes.len()];
        Self {
            lanes,
            taken: vec![Vec::new(); 4],
            held: vec![0; 4],
            is_taken,
            head: 0,
            left: Left::default(),
        }
    }

    fn take(&mut self, at: usize) {
        let number = usize::from(self.lanes[at]);
        assert!(!self.is_taken[at], "no record is taken twice");
        self.is_taken[at] = true;
        self.taken[number].push(at as i64);
        self.held[number] += 1;
    }

    fn has_room(&self, at: usize) -> bool {
        self.held[usize::from(self.lanes[at])] < MOST
    }

    fn read_first(&mut self) {
        let Some(number) = self.lanes.get(self.head).copied() else { return };
        let (at, lane) = (self.head, lane(number));
        self.head += 1;
        if self.left.has(&lane) {
            return;
        }
        if self.has_room(at) { self.take(at) } else { self.left.leave(lane, at as i64) }
    }

    fn read_second(&mut self) {
        let held = self.held.clone();
        let of = |searched: &Lane| (0..4).find(|number| lane(*number) == *searched).unwrap();
        self.left.start(|lane| held[usize::from(of(lane))] < MOST);
        let Some(offset) = self.left.at() else { return };
        let at = usize::try_from(offset).unwrap();
        let lane = lane(self.lanes[at]);
        if !self.is_taken[at] && !self.left.passes(&lane) {
            if self.has_room(at) {
                self.take(at);
                self.left.took(lane, offset);
            } else {
                self.left.no_room(lane, offset);
            }
        }
        self.left.passed(offset, self.head as i64);
    }
}

proptest! {
    #[test]
    fn each_record_is_taken_once_and_in_the_order_of_its_lane(
        lanes in prop::collection::vec(0..4_u8, 1..120),
        steps in prop::collection::vec((0..4_u8, 0..4_usize), 0..600),
    ) {
        let mut model = Model::new(lanes);
        for (step, number) in steps {
            match step {
                0 => model.held[number] = model.held[number].saturating_sub(1),
                1 => model.read_second(),
                _ => model.read_first(),
            }
            prop_assert!(model.taken.iter().all(|taken| taken.is_sorted()));
        }
        // In the end there is room for everybody, again and again: then nothing is left.
        for _ in 0..2000 {
            model.read_first();
            model.read_second();
            model.held = vec![0; 4];
        }
        prop_assert!(model.is_taken.iter().all(|taken| *taken), "{:?}", model.is_taken);
        prop_assert!(model.taken.iter().all(|taken| taken.is_sorted()));
        prop_assert!(model.left.is_empty() && model.left.at().is_none());
    }
}
