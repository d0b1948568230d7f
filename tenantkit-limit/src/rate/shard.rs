//! The table of all keys: shards that are rebuilt one at a time.
//!
//! A shard is rebuilt when it is full, and when it may have something to forget while there is no room.
//! Whoever rebuilds it freezes every word, copies what is still needed into a new table, and publishes
//! the list of all tables anew, with that one in it: one list, because it is read where it lies, and a
//! table of which each shard keeps the place is one place more to wait for. Whoever meets a frozen word waits for the lock and starts again in the new table. Nothing
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
    sync::atomic::Ordering,
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
const PER_SHARD: usize = 4_096;
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
    fn idle_since(&self) -> impl Fn(u128) -> Option<u64> + '_;
}

#[derive(Debug)]
pub(crate) struct Shards<K: Send + Sync + 'static, S> {
    tables: Published<Box<[Table<K>]>>,
    shards: Box<[Shard]>,
    /// Held while the list of tables is replaced, within a rebuild.
    publish: Lock,
    hasher: S,
    /// How many keys count, everywhere.
    count: Count,
}

#[derive(Debug, Default)]
struct Shard {
    rebuild: Lock,
    /// When it is worth looking for something to forget.
    patience: AtomicU64,
}

#[derive(Debug)]
struct Count {
    now: AtomicUsize,
    most: usize,
}

impl<K: Hash + Eq + Clone + Send + Sync, S: BuildHasher> Shards<K, S> {
    /// For at most `most` keys.
    pub(crate) fn new(most: usize, hasher: S) -> Self {
        let shards = most.div_ceil(PER_SHARD).next_power_of_two().clamp(1, MAX_SHARDS);
        let empty = Table::new(0, 0, Vec::new());
        Self {
            tables: Published::new(vec![empty; shards].into()),
            shards: (0..shards).map(|_| Shard::default()).collect(),
            publish: Lock::default(),
            hasher,
            count: Count { now: AtomicUsize::new(0), most },
        }
    }

    #[inline]
    pub(crate) fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.count.now.load(Ordering::Relaxed)
    }

    /// Moves the word of a key that counts, in a table that stands: nearly always. `step` is shown the word,
    /// and says what it is to be and what that means; that is the answer if it has become so. Otherwise
    /// nothing has changed, and [`update`](Self::update) finds out why.
    #[inline]
    pub(crate) fn update_known<R>(
        &self,
        hash: u64,
        key: &K,
        step: impl Fn(u128) -> Option<(u128, R)>,
    ) -> Option<R> {
        let tables = self.tables.load();
        let slot = tables[self.shard(hash)].find(hash, key)?;
        let mut word = slot.word.load();
        loop {
            if word == 0 || word & FROZEN != 0 {
                return None;
            }
            let (next, result) = step(word)?;
            match slot.word.swap_if(word, next) {
                Ok(_) => return Some(result),
                Err(other) => word = other,
            }
        }
    }

    /// Moves the word of a key: `step` is shown what is there and says what is to be there, if that
    /// is to change. It is asked again when somebody else was faster.
    pub(crate) fn update(
        &self,
        hash: u64,
        key: &K,
        now: u64,
        idle: &impl IdleSince,
        step: &mut dyn FnMut(Seen) -> Option<u128>,
    ) -> Result<(), AtCapacity> {
        let at = self.shard(hash);
        let shard = &self.shards[at];
        loop {
            let tables = self.tables.load();
            let table = &tables[at];
            let slot = match table.find(hash, key) {
                Some(slot) => slot,
                None => match self.place(table, hash, key) {
                    Ok(slot) => slot,
                    Err(NoRoom) if self.has_room(table) || shard.is_worth_a_look(now) => {
                        self.rebuild(at, table, now, idle);
                        continue;
                    }
                    Err(NoRoom) => return Err(AtCapacity),
                },
            };
            match self.step(slot, table.floor(), step) {
                Step::Done => return Ok(()),
                // Whoever has the lock is done, or is us.
                Step::Frozen => self.rebuild(at, table, now, idle),
                Step::AtCapacity if shard.is_worth_a_look(now) => {
                    self.rebuild(at, table, now, idle);
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
        table.place(hash, key)
    }

    /// Whether a larger table would help.
    fn has_room(&self, table: &Table<K>) -> bool {
        !self.count.is_full() && table.capacity() < MAX_KEYS
    }

    /// What is there of a key. Changes nothing.
    pub(crate) fn read(&self, key: &K, now: u64, idle: &impl IdleSince) -> Seen {
        let hash = self.hash(key);
        let at = self.shard(hash);
        loop {
            let tables = self.tables.load();
            let table = &tables[at];
            match table.find(hash, key).map(|slot| slot.word.load()) {
                None | Some(0) => return Seen::Nothing { floor: table.floor() },
                Some(word) if word & FROZEN != 0 => self.rebuild(at, table, now, idle),
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
        let idle_since = idle.idle_since();
        for at in 0..self.shards.len() {
            let table = self.tables.load()[at].clone();
            if table.words().any(|word| is_over(idle_since(word), now).is_some()) {
                self.rebuild(at, &table, now, idle);
            }
        }
    }

    /// Every word.
    pub(crate) fn for_each(&self, mut see: impl FnMut(u128)) {
        for at in 0..self.shards.len() {
            let table = self.tables.load()[at].clone();
            table.words().for_each(&mut see);
        }
    }

    #[inline]
    fn shard(&self, hash: u64) -> usize {
        // The upper bits, as many as are needed; shifted twice, because one shard needs none.
        let bits = self.shards.len().trailing_zeros();
        (hash >> 1 >> (63 - bits)) as usize
    }

    /// Replaces `old`, unless somebody already has.
    #[cold]
    fn rebuild(&self, at: usize, old: &Table<K>, now: u64, idle: &impl IdleSince) {
        let shard = &self.shards[at];
        let _held = shard.rebuild.hold();
        if !self.tables.load()[at].is(old) {
            return;
        }
        let idle_since = idle.idle_since();
        let mut stands = old.freeze(|key| self.hash(key));
        let (before, mut floor) = (stands.len(), old.floor());
        stands.retain(|(.., word)| match is_over(idle_since(*word), now) {
            Some(since) => {
                floor = floor.max(since);
                false
            }
            None => true,
        });
        let gone = before - stands.len();
        // A sixteenth more: small enough for memory, large enough that an insert pays for few moves.
        let room = (stands.len() + (stands.len() / 16).max(LEAST_ROOM)).min(MAX_KEYS);
        let new = Table::new(room, floor, stands);
        shard.patience.store(now.saturating_add(PATIENCE), Ordering::Relaxed);
        self.publish(at, new);
        self.count.take(gone);
    }

    fn publish(&self, at: usize, new: Table<K>) {
        let _held = self.publish.hold();
        let mut tables = Box::clone(&self.tables.load());
        tables[at] = new;
        self.tables.store(tables);
    }
}

impl Shard {
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

/// Since when it is idle, if for longer than the slack.
fn is_over(since: Option<u64>, now: u64) -> Option<u64> {
    since.filter(|since| since.saturating_add(SLACK) <= now)
}

#[cfg(all(test, tenantkit_loom))]
mod loom;
