//! The table under every interleaving of two or three threads, as far as two preemptions reach.
//!
//! `RUSTFLAGS="--cfg tenantkit_loom" cargo test -p tenantkit-limit --lib --release loom`

use std::{
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use loom::thread;

use super::{AtCapacity, IdleSince, SLACK, Seen, Shards};

/// All keys hash alike: every model has its keys in each other's way, and is the same each time.
#[derive(Debug)]
struct Alike;

impl BuildHasher for Alike {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self
    }
}

impl Hasher for Alike {
    fn finish(&self) -> u64 {
        1 << 32
    }

    fn write(&mut self, _: &[u8]) {}
}

/// Words up to 9 are idle since time 5.
struct BelowTen;

impl IdleSince for BelowTen {
    fn idle_since(&self) -> impl Fn(u128) -> Option<u64> + '_ {
        |word| (word < 10).then_some(5)
    }
}

type Table = Shards<u8, Alike>;

const LATER: u64 = SLACK + 5;

fn model(most: usize, check: impl Fn(Arc<Table>) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(move || check(Arc::new(Shards::new(most, Alike))));
}

/// Counts in a word, from `start`.
fn add(table: &Table, key: u8, now: u64, start: u128) -> Result<(), AtCapacity> {
    let hash = table.hash(&key);
    // As the limiter does: first as if it were there.
    let known = table.update_known(hash, &key, |word| Some((word + 1, ())));
    known.map_or_else(
        || {
            table.update(hash, &key, now, &BelowTen, &mut |seen| match seen {
                Seen::Nothing { .. } => Some(start),
                Seen::Word(word) => Some(word + 1),
            })
        },
        Ok,
    )
}

fn word(table: &Table, key: u8) -> Option<u128> {
    match table.read(&key, 0, &BelowTen) {
        Seen::Nothing { .. } => None,
        Seen::Word(word) => Some(word),
    }
}

fn at_once(
    table: &Arc<Table>,
    one: impl FnOnce(&Table) + 'static,
    other: impl FnOnce(&Table) + 'static,
) {
    let mine = Arc::clone(table);
    let thread = thread::spawn(move || one(&mine));
    other(table);
    thread.join().unwrap();
}

#[test]
fn two_that_add_the_same_key_share_one_word() {
    model(8, |table| {
        at_once(&table, |it| add(it, 1, 0, 10).unwrap(), |it| add(it, 1, 0, 10).unwrap());
        assert_eq!((word(&table, 1), table.len()), (Some(11), 1));
    });
}

#[test]
fn two_that_add_different_keys_get_both() {
    model(8, |table| {
        add(&table, 3, 0, 10).unwrap();
        at_once(&table, |it| add(it, 1, 0, 10).unwrap(), |it| add(it, 2, 0, 20).unwrap());
        assert_eq!((word(&table, 1), word(&table, 2), table.len()), (Some(10), Some(20), 3));
    });
}

#[test]
fn a_rebuild_loses_nothing_that_is_taken_meanwhile() {
    model(8, |table| {
        add(&table, 1, 0, 10).unwrap();
        // The table has room for one: the second key makes the shard be rebuilt.
        at_once(&table, |it| add(it, 1, 0, 10).unwrap(), |it| add(it, 2, 0, 20).unwrap());
        assert_eq!((word(&table, 1), word(&table, 2), table.len()), (Some(11), Some(20), 2));
    });
}

#[test]
fn what_is_taken_while_the_idle_are_forgotten_stays() {
    model(8, |table| {
        add(&table, 1, 0, 9).unwrap();
        at_once(
            &table,
            |it| it.forget(LATER, &BelowTen),
            |it| {
                let floor = it.update(it.hash(&1), &1, 0, &BelowTen, &mut |seen| match seen {
                    // Its time is before what was forgotten, and it is told so.
                    Seen::Nothing { floor } => Some(20 + u128::from(floor)),
                    Seen::Word(word) => Some(word + 1),
                });
                assert_eq!(floor, Ok(()));
            },
        );
        let there = word(&table, 1);
        assert!(there == Some(10) || there == Some(25), "{there:?}");
        assert_eq!(table.len(), 1);
    });
}

#[test]
fn of_two_newcomers_one_gets_the_last_place() {
    model(1, |table| {
        let mine = Arc::clone(&table);
        let one = thread::spawn(move || add(&mine, 1, 0, 10).is_ok());
        let other = add(&table, 2, 0, 10).is_ok();
        let one = one.join().unwrap();
        assert!(one != other || (!one && !other), "no more than one");
        assert_eq!(table.len(), usize::from(one) + usize::from(other));
        assert_eq!((word(&table, 1).is_some(), word(&table, 2).is_some()), (one, other));
    });
}

#[test]
fn a_newcomer_gets_the_place_of_one_that_is_forgotten() {
    model(1, |table| {
        add(&table, 1, 0, 9).unwrap();
        at_once(&table, |it| drop(add(it, 2, LATER, 20)), |it| drop(add(it, 3, LATER, 30)));
        assert_eq!(word(&table, 1), None);
        assert!(table.len() <= 1);
        let there = [word(&table, 2), word(&table, 3)].into_iter().flatten().count();
        assert_eq!(there, table.len());
    });
}
