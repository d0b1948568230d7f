use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// The plain model: a set of all that is done.
#[derive(Debug, Default)]
struct Model {
    read: i64,
    done: BTreeSet<i64>,
    under_way: Vec<i64>,
    left: Vec<i64>,
}

impl Model {
    fn watermark(&self) -> i64 {
        (100..).find(|offset| !self.done.contains(offset)).unwrap()
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Read the record so many offsets behind the last one, and take it or leave it.
    Read(i64, bool),
    /// Finish the one so far through what is under way.
    Finish(usize),
    /// Take the one so far through what was left.
    Return(usize),
    /// The one so far through what was left is gone.
    Gone(usize),
    /// Give the partition away, and have it back.
    HandOver,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1..4_i64, any::<bool>()).prop_map(|(ahead, take)| Step::Read(ahead, take)),
        5 => (0..64_usize).prop_map(Step::Finish),
        3 => (0..64_usize).prop_map(Step::Return),
        1 => (0..64_usize).prop_map(Step::Gone),
        1 => Just(Step::HandOver),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn what_is_committed_is_exactly_what_lies_before_the_first_that_is_not_done(steps in steps()) {
        let mut model = Model { read: 100, ..Model::default() };
        let mut progress = Progress::from(100);
        // A record that exists once exists for ever: what was jumped over at first is not read later.
        let mut holes = BTreeSet::new();
        for step in steps {
            match step {
                Step::Read(ahead, takes) => {
                    let offset = (model.read + ahead - 1..).find(|at| !holes.contains(at)).unwrap();
                    for hole in model.read..offset {
                        if !model.done.contains(&hole) {
                            holes.insert(hole);
                            model.done.insert(hole);
                        }
                    }
                    model.read = offset + 1;
                    let is_new = !model.done.contains(&offset);
                    prop_assert_eq!(progress.read(offset), is_new);
                    if is_new && takes {
                        progress.take(offset);
                        model.under_way.push(offset);
                    } else if is_new {
                        model.left.push(offset);
                    }
                }
                Step::Finish(at) if !model.under_way.is_empty() => {
                    let offset = model.under_way.swap_remove(at % model.under_way.len());
                    progress.finish(offset);
                    model.done.insert(offset);
                }
                Step::Return(at) if !model.left.is_empty() => {
                    let offset = model.left.swap_remove(at % model.left.len());
                    prop_assert!(progress.is_left(offset));
                    progress.take(offset);
                    model.under_way.push(offset);
                }
                Step::Gone(at) if !model.left.is_empty() => {
                    let gone = model.left[at % model.left.len()];
                    progress.forget(gone - 3, gone + 1);
                    let is_gone = |offset: &i64| (gone - 3..=gone).contains(offset);
                    model.done.extend(model.left.extract_if(.., |offset| is_gone(offset)));
                }
                Step::Finish(_) | Step::Return(_) | Step::Gone(_) => {}
                Step::HandOver => {
                    let (at, metadata) = (progress.watermark(), progress.metadata(usize::MAX));
                    progress = Progress::restore(at, &metadata);
                    model.under_way.clear();
                    model.left.clear();
                    model.read = at;
                }
            }
            prop_assert_eq!(progress.watermark(), model.watermark());
            prop_assert!(model.left.iter().all(|offset| progress.is_left(*offset)));
            prop_assert!(!model.under_way.iter().any(|offset| progress.is_left(*offset)));
            prop_assert_eq!(progress.under_way(), model.under_way.len());
            prop_assert!(progress.ranges() <= model.under_way.len() + model.left.len() + model.done.len());
        }
    }

    #[test]
    fn metadata_of_any_length_is_read_as_what_it_says_and_never_more(
        done in prop::collection::btree_set(1..400_i64, 0..80),
        most in 0..400_usize,
    ) {
        let mut progress = Progress::from(0);
        for offset in 0..400 {
            progress.read(offset);
        }
        for offset in &done {
            progress.finish(*offset);
        }
        let metadata = progress.metadata(most);
        prop_assert!(metadata.len() <= most);
        let restored = Progress::restore(0, &metadata);
        let kept: BTreeSet<i64> = (0..400).filter(|offset| restored.is_done(*offset)).collect();
        prop_assert!(kept.is_subset(&done));
        if most == 399 && metadata.len() < most - 12 {
            prop_assert_eq!(kept, done);
        }
    }

    #[test]
    fn what_anybody_writes_into_the_metadata_never_panics(metadata in ".*", offset in 0..i64::MAX) {
        Progress::restore(offset, &metadata);
        Progress::restore(offset, &format!("tk1 {metadata}"));
    }
}

#[test]
fn one_that_is_not_done_holds_the_watermark_and_nothing_else() {
    let mut progress = Progress::from(7);
    for offset in 7..1007 {
        assert!(progress.read(offset));
        progress.take(offset);
    }
    for offset in 8..1007 {
        progress.finish(offset);
    }
    assert_eq!((progress.watermark(), progress.done.len(), progress.span()), (7, 1, 1000));
    progress.finish(7);
    assert_eq!((progress.watermark(), progress.done.len(), progress.span()), (1007, 0, 0));
}

#[test]
fn holes_hold_nothing_up() {
    let mut progress = Progress::from(0);
    progress.read(5);
    assert_eq!(progress.watermark(), 5);
    progress.read(9);
    progress.finish(9);
    progress.finish(5);
    assert_eq!(progress.watermark(), 10);
}

#[test]
fn somebody_elses_metadata_counts_for_nothing() {
    for metadata in [
        "",
        "tk1",
        "tk1 1",
        "tk1 1 0",
        "tk1 -1 1",
        "tk1 1 x",
        "tk2 1 1",
        "tk1 7fffffffffffffff 1 1",
    ] {
        assert_eq!(Progress::restore(3, metadata), Progress::from(3), "{metadata}");
    }
    let known = Progress::restore(3, "tk1 1 2");
    assert!(!known.is_done(3) && known.is_done(4) && known.is_done(5) && !known.is_done(6));
}
