//! [`Duplicates`]: the envelopes that were handled lately, so that a copy of a record is told apart.
//!
//! An envelope is bound to its record, and so a copy of the whole record carries one that holds. Each
//! envelope has a name of its own; a second record with the same is a copy. The same record again, at the
//! same place, is none: it is read again after a restart.

use std::collections::{HashMap, VecDeque};

use tenantkit_core::Text;

use super::partition::Place;

/// The last so many names.
#[derive(Debug)]
pub(super) struct Duplicates {
    most: usize,
    seen: HashMap<Text, At>,
    /// From the oldest on. What was forgotten is still in here, by another number than a newer one's.
    order: VecDeque<(u64, Text)>,
    next: u64,
}

#[derive(Debug)]
struct At {
    place: Place,
    offset: i64,
    number: u64,
}

impl Duplicates {
    pub(super) fn new(most: usize) -> Self {
        Self { most, seen: HashMap::new(), order: VecDeque::new(), next: 0 }
    }

    /// Notes the name of a record's envelope. `false` if another record had it.
    pub(super) fn note(&mut self, name: &Text, place: &Place, offset: i64) -> bool {
        if self.most == 0 {
            return true;
        }
        if let Some(at) = self.seen.get(name) {
            return at.place == *place && at.offset == offset;
        }
        if self.order.len() >= self.most
            && let Some((number, oldest)) = self.order.pop_front()
            && self.seen.get(&oldest).is_some_and(|at| at.number == number)
        {
            self.seen.remove(&oldest);
        }
        let number = self.next;
        self.next += 1;
        self.seen.insert(name.clone(), At { place: place.clone(), offset, number });
        self.order.push_back((number, name.clone()));
        true
    }

    /// Forgets a name: its record became a dead letter, and may come back.
    pub(super) fn forget(&mut self, name: &Text) {
        self.seen.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &'static str) -> Text {
        text.parse().unwrap()
    }

    #[test]
    fn a_copy_is_told_from_the_same_record_read_again() {
        let (mut seen, place) = (Duplicates::new(2), Place::new("documents", 0));
        assert!(seen.note(&name("one"), &place, 7));
        assert!(seen.note(&name("one"), &place, 7));
        assert!(!seen.note(&name("one"), &place, 8));
        assert!(!seen.note(&name("one"), &Place::new("documents", 1), 7));
    }

    #[test]
    fn what_became_a_dead_letter_may_come_back() {
        let (mut seen, place) = (Duplicates::new(2), Place::new("documents", 0));
        assert!(seen.note(&name("one"), &place, 7));
        seen.forget(&name("one"));
        assert!(seen.note(&name("one"), &place, 9));
    }

    #[test]
    fn no_more_are_remembered_than_was_said() {
        let (mut seen, place) = (Duplicates::new(2), Place::new("documents", 0));
        for (offset, text) in (0..).zip(["one", "two", "three"]) {
            assert!(seen.note(&name(text), &place, offset));
        }
        assert_eq!((seen.seen.len(), seen.order.len()), (2, 2));
        assert!(seen.note(&name("one"), &place, 3), "the oldest is forgotten");
    }
}
