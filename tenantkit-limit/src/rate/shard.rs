//! The table of all keys: shards that are rebuilt one at a time.
//!
//! A shard is rebuilt when it is full, and when it may have something to forget while there is no room.
//! Whoever rebuilds it freezes every word, copies what is still needed into a new table, and publishes
//! that; whoever meets a frozen word waits for the lock and starts again in the new table. Nothing
//! else takes a lock. A rebuild moves at most `MAX_KEYS` keys, and is repeated by the next who
//! comes if it panics half way (in a key's `clone`).
//!
//! # Forgetting
//!
//! A key is forgotten when it has been idle for longer than [`SLACK`]. A thread that read the clock
//! before may still come with an earlier time at which the tenant was not idle, so the latest TAT that
//! was forgotten stays behind as the shard's floor: at or after it, a forgotten key and a new one
//! decide alike; before it, a key that is not there is taken for one with a TAT of the floor. So
//! forgetting never lets more pass, at whatever time anybody believes it to be, and changes no decision
//! unless a thread holds on to its time for longer than the slack.

use std::{
    hash::{BuildHasher, Hash},
    sync::{Arc, atomic::Ordering},
};

use super::{
    layout::FROZEN,
    sync::{AtomicU64, AtomicUsize, Lock, Published},
    table::{MAX_KEYS, NoRoom, Slot, Table},
};

/// How long a key is idle before it is forgotten, in nanoseconds.
pub(crate) const SLACK: u64 = 2_000_000_000;
/// A shard of which nothing could be forgotten is not tried again before, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;
/// How many keys a shard has on average when all the keys are there.
const PER_SHARD: usize = 2_048;
const MAX_SHARDS: usize = 1 << 16;
/// How many keys a rebuilt table has room for at least; one in the model, which is small.
const LEAST_ROOM: usize = if cfg!(tenantkit_loom) { 1 } else { 16 };

/// What is there of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    /// Nothing. If it was forgotten, its TATs were not after `floor`.
    Nothing { floor: u64 },
    /// Its word.
    Word(u128),
}

/// There is no room for another key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AtCapacity;

enum Step {
    Done,
    Frozen,
    AtCapacity,
}

/// Says when a word became idle: the latest of its TATs, or nothing if it is not to be judged.
pub(crate) trait IdleSince {
    fn idle_since(&self, word: u128) -> Option<u64>;
}

#[derive(Debug)]
pub(crate) struct Shards<K, S> {
    shards: Box<[Shard<K>]>,
    hasher: S,
    /// How many keys count, everywhere.
    count: Count,
}

#[derive(Debug)]
struct Shard<K> {
    table: Published<Table<K>>,
    rebuild: Lock,
    /// When it is worth looking for something to forget.
    patience: AtomicU64,
}

#[derive(Debug)]
struct Count {
    now: AtomicUsize,
    most: usize,
}

impl<K: Hash + Eq + Clone, S: BuildHasher> Shards<K, S> {
    /// For at most `most` keys.
    pub(crate) fn new(most: usize, hasher: S) -> Self {
        let shards = most.div_ceil(PER_SHARD).next_power_of_two().clamp(1, MAX_SHARDS);
        let empty = Arc::new(Table::new(0, 0));
        let shard = |_| Shard {
            table: Published::new(Arc::clone(&empty)),
            rebuild: Lock::default(),
            patience: AtomicU64::new(0),
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            hasher,
            count: Count { now: AtomicUsize::new(0), most },
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.count.now.load(Ordering::Relaxed)
    }

    /// Moves the word of a key: `step` is shown what is there and says what is to be there, if that
    /// is to change. It is asked again when somebody else was faster.
    #[inline]
    pub(crate) fn update(
        &self,
        key: &K,
        now: u64,
        idle: &impl IdleSince,
        mut step: impl FnMut(Seen) -> Option<u128>,
    ) -> Result<(), AtCapacity> {
        let hash = self.hasher.hash_one(key);
        // A key that counts, in a table that stands: nearly always.
        let table = self.shard(hash).table.load();
        if let Some(slot) = table.find(hash, key) {
            let mut word = slot.word.load();
            while word != 0 && word & FROZEN == 0 {
                let Some(next) = step(Seen::Word(word)) else { return Ok(()) };
                match slot.word.swap_if(word, next) {
                    Ok(_) => return Ok(()),
                    Err(other) => word = other,
                }
            }
        }
        drop(table);
        self.update_in_general(hash, key, now, idle, &mut step)
    }

    #[inline(never)]
    fn update_in_general(
        &self,
        hash: u64,
        key: &K,
        now: u64,
        idle: &impl IdleSince,
        step: &mut dyn FnMut(Seen) -> Option<u128>,
    ) -> Result<(), AtCapacity> {
        let shard = self.shard(hash);
        loop {
            let table = shard.table.load();
            let slot = match table.find(hash, key) {
                Some(slot) => slot,
                None => match self.place(&table, hash, key) {
                    Ok(slot) => slot,
                    Err(NoRoom) if self.has_room(&table) || shard.is_worth_a_look(now) => {
                        shard.rebuild(&self.hasher, &table, now, idle, &self.count);
                        continue;
                    }
                    Err(NoRoom) => return Err(AtCapacity),
                },
            };
            match self.step(slot, table.floor, step) {
                Step::Done => return Ok(()),
                // Whoever has the lock is done, or is us.
                Step::Frozen => shard.rebuild(&self.hasher, &table, now, idle, &self.count),
                Step::AtCapacity if shard.is_worth_a_look(now) => {
                    shard.rebuild(&self.hasher, &table, now, idle, &self.count);
                }
                Step::AtCapacity => return Err(AtCapacity),
            }
        }
    }

    fn step(&self, slot: &Slot<K>, floor: u64, step: &mut dyn FnMut(Seen) -> Option<u128>) -> Step {
        let mut word = slot.word.load();
        loop {
            if word & FROZEN != 0 {
                return Step::Frozen;
            }
            let seen = if word == 0 { Seen::Nothing { floor } } else { Seen::Word(word) };
            let Some(next) = step(seen) else { return Step::Done };
            if word == 0 && !self.count.add() {
                return Step::AtCapacity;
            }
            match slot.word.swap_if(word, next) {
                Ok(_) => return Step::Done,
                Err(other) => {
                    if word == 0 {
                        self.count.take(1);
                    }
                    word = other;
                }
            }
        }
    }

    #[cold]
    fn place<'t>(&self, table: &'t Table<K>, hash: u64, key: &K) -> Result<&'t Slot<K>, NoRoom> {
        if self.count.is_full() {
            return Err(NoRoom);
        }
        table.place(hash, key, |other| self.hasher.hash_one(other))
    }

    /// Whether a larger table would help.
    fn has_room(&self, table: &Table<K>) -> bool {
        !self.count.is_full() && table.capacity() < MAX_KEYS
    }

    /// What is there of a key. Changes nothing.
    pub(crate) fn read(&self, key: &K, now: u64, idle: &impl IdleSince) -> Seen {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash);
        loop {
            let table = shard.table.load();
            let nothing = Seen::Nothing { floor: table.floor };
            match table.find(hash, key).map(|slot| slot.word.load()) {
                None | Some(0) => return nothing,
                Some(word) if word & FROZEN != 0 => {
                    shard.rebuild(&self.hasher, &table, now, idle, &self.count);
                }
                Some(word) => return Seen::Word(word),
            }
        }
    }

    /// Whether there may be no room for another key.
    pub(crate) fn is_full(&self) -> bool {
        self.count.is_full()
    }

    /// Forgets what is idle, one shard after another, those first where nothing else would.
    pub(crate) fn forget(&self, now: u64, idle: &impl IdleSince) {
        for shard in &self.shards {
            let table = shard.table.load();
            if table.words().any(|word| is_over(idle, word, now).is_some()) {
                shard.rebuild(&self.hasher, &table, now, idle, &self.count);
            }
        }
    }

    /// Every word.
    pub(crate) fn for_each(&self, mut see: impl FnMut(u128)) {
        for shard in &self.shards {
            shard.table.load().words().for_each(&mut see);
        }
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard<K> {
        // The upper bits, as many as are needed; shifted twice, because one shard needs none.
        let bits = self.shards.len().trailing_zeros();
        let at = (hash >> 1 >> (63 - bits)) as usize;
        &self.shards[at]
    }
}

impl<K: Hash + Eq + Clone> Shard<K> {
    /// Replaces `old`, unless somebody already has.
    #[cold]
    fn rebuild<S: BuildHasher>(
        &self,
        hasher: &S,
        old: &Arc<Table<K>>,
        now: u64,
        idle: &impl IdleSince,
        count: &Count,
    ) {
        let _held = self.rebuild.hold();
        if !Arc::ptr_eq(&self.table.load(), old) {
            return;
        }
        let mut stands = old.freeze();
        let (before, mut floor) = (stands.len(), old.floor);
        stands.retain(|(_, word)| match is_over(idle, *word, now) {
            Some(since) => {
                floor = floor.max(since);
                false
            }
            None => true,
        });
        // A tenth more: small enough for memory, large enough that an insert pays for few moves.
        let room = (stands.len() + (stands.len() / 10).max(LEAST_ROOM)).min(MAX_KEYS);
        let new = Table::new(room, floor);
        for (key, word) in &stands {
            // There is a slot for each: `stands` is no longer than `old`, and `room` no shorter.
            if let Ok(slot) = new.place(hasher.hash_one(key), key, |other| hasher.hash_one(other)) {
                let _ = slot.word.swap_if(0, *word);
            }
        }
        self.patience.store(now.saturating_add(PATIENCE), Ordering::Relaxed);
        self.table.store(Arc::new(new));
        count.take(before - stands.len());
    }

    /// Whether nobody has looked lately. Only for whom to spare work, never for what is decided: it
    /// compares the times of several threads.
    fn is_worth_a_look(&self, now: u64) -> bool {
        let until = self.patience.load(Ordering::Relaxed);
        let next = now.saturating_add(PATIENCE);
        now >= until
            && self
                .patience
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl Count {
    fn is_full(&self) -> bool {
        self.now.load(Ordering::Relaxed) >= self.most
    }

    /// Adds one, if there is room.
    fn add(&self) -> bool {
        let before = self.now.fetch_add(1, Ordering::Relaxed);
        if before >= self.most {
            self.take(1);
        }
        before < self.most
    }

    fn take(&self, gone: usize) {
        self.now.fetch_sub(gone, Ordering::Relaxed);
    }
}

/// Since when a word is idle, if for longer than the slack.
fn is_over(idle: &impl IdleSince, word: u128, now: u64) -> Option<u64> {
    idle.idle_since(word).filter(|since| since.saturating_add(SLACK) <= now)
}

#[cfg(all(test, tenantkit_loom))]
mod loom;
