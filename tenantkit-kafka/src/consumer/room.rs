//! [`Room`]: how much of what was read may wait in memory, and whose.
//!
//! A lane (a tenant's, or that of what could not be verified) may hold as much as is still free. One
//! that is alone takes half of the room at most, two take a third each: whoever has nothing yet always
//! finds some. These are the dynamic thresholds of Choudhury and Hahne ("Dynamic Queue Length Thresholds for
//! Shared-Memory Packet Switches", 1998) with a factor of one; on top of them, the room of one record of the
//! largest size is kept for those who have nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::lane::Lane;

/// What a record takes besides its key, payload and headers, in bytes: what we keep about it.
const OVERHEAD: usize = 512;

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) records: usize,
    /// The largest record that is kept.
    pub(super) record: usize,
}

/// A handle to what is in memory.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Mutex<Taken>>);

#[derive(Debug)]
struct Taken {
    bounds: Bounds,
    all: Held,
    lanes: HashMap<Lane, Held>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    bytes: usize,
    records: usize,
}

/// The room of one record, until this is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    room: Room,
    lane: Lane,
    bytes: usize,
}

impl Room {
    pub(super) fn new(bounds: Bounds) -> Self {
        let taken = Taken { bounds, all: Held::default(), lanes: HashMap::new() };
        Self(Arc::new(Mutex::new(taken)))
    }

    /// Room for a record of so many bytes, if the lane may have it.
    pub(super) fn take(&self, lane: Lane, bytes: usize) -> Option<Kept> {
        let bytes = bytes + OVERHEAD;
        let mut taken = self.taken();
        let held = taken.lanes.get(&lane).copied().unwrap_or_default();
        if !taken.fits(held, bytes) {
            return None;
        }
        taken.all = taken.all.plus(bytes);
        taken.lanes.insert(lane, held.plus(bytes));
        drop(taken);
        Some(Kept { room: self.clone(), lane, bytes })
    }

    /// Whether it is worth it to read on for a lane: it may have as much again as it has.
    pub(super) fn is_wide(&self, lane: &Lane) -> bool {
        let taken = self.taken();
        let held = taken.lanes.get(lane).copied().unwrap_or_default();
        taken.fits(
            Held { bytes: held.bytes * 2, records: held.records * 2 },
            taken.bounds.record.min(OVERHEAD),
        )
    }

    /// Bytes and records in memory.
    pub(super) fn used(&self) -> (usize, usize) {
        let Held { bytes, records } = self.taken().all;
        (bytes, records)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing under the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn fits(&self, held: Held, bytes: usize) -> bool {
        let free = Held {
            bytes: self.bounds.bytes.saturating_sub(self.all.bytes),
            records: self.bounds.records.saturating_sub(self.all.records),
        };
        let kept_free = if held.records == 0 { 0 } else { self.bounds.record + OVERHEAD };
        held.bytes + bytes + kept_free <= free.bytes && held.records < free.records
    }
}

impl Held {
    const fn plus(self, bytes: usize) -> Self {
        Self { bytes: self.bytes + bytes, records: self.records + 1 }
    }

    const fn minus(self, bytes: usize) -> Self {
        Self { bytes: self.bytes - bytes, records: self.records - 1 }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.all = taken.all.minus(self.bytes);
        let Some(held) = taken.lanes.get_mut(&self.lane) else { return };
        *held = held.minus(self.bytes);
        if held.records == 0 {
            taken.lanes.remove(&self.lane);
        }
    }
}

#[cfg(test)]
mod tests;
