//! [`Left`]: whose records of a partition were left behind, and the way back to them.
//!
//! A tenant that holds as much memory as it may must not stop the partition, in which the others' records
//! come behind its own. So its records are left behind: from the first one that found no room on, all of the
//! tenant's, because their order is to be kept. When there is room again, a second reader goes back to the first
//! of them, reads forward, and takes what it finds of those who were left behind, until it has caught up with
//! the first reader or nobody has room any more.

use std::collections::HashMap;

use super::lane::Lane;

/// Whose records were left behind, of one partition.
#[derive(Debug, Default)]
pub(super) struct Left {
    lanes: HashMap<Lane, Behind>,
    /// The offset that the second reader comes to next, while it reads.
    at: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Behind {
    /// No record of the lane before this one is left.
    from: i64,
    /// Not to be taken from on this way: a record of the lane lies before, or found no room.
    waits: bool,
}

/// What comes after a record that the second reader has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    ReadOn,
    /// Nobody who was left behind has room, or nobody is left.
    Stop,
}

impl Left {
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Whether the first reader leaves the lane's records where they are.
    pub(super) fn has(&self, lane: &Lane) -> bool {
        self.lanes.contains_key(lane)
    }

    /// The first reader leaves a record of a lane.
    pub(super) fn leave(&mut self, lane: Lane, offset: i64) {
        // The second reader, where it reads, is yet to come there.
        self.lanes.entry(lane).or_insert(Behind { from: offset, waits: false });
    }

    /// Where the second reader is to begin, if it does not read and somebody has room.
    pub(super) fn start(&mut self, has_room: impl Fn(&Lane) -> bool) -> Option<i64> {
        if self.at.is_some() || self.lanes.is_empty() {
            return None;
        }
        let wide = self.lanes.iter().filter(|(lane, _)| has_room(lane));
        let start = wide.map(|(_, behind)| behind.from).min()?;
        for behind in self.lanes.values_mut() {
            behind.waits = behind.from < start;
        }
        self.at = Some(start);
        Some(start)
    }

    /// What the second reader comes to next, while it reads.
    pub(super) fn at(&self) -> Option<i64> {
        self.at
    }

    /// The second reader did not come where it was sent.
    pub(super) fn give_up(&mut self) {
        self.at = None;
    }

    /// Whether the second reader passes by what is of this lane.
    pub(super) fn passes(&self, lane: &Lane) -> bool {
        self.lanes.get(lane).is_some_and(|behind| behind.waits)
    }

    /// A record of a lane was taken.
    pub(super) fn took(&mut self, lane: Lane, offset: i64) {
        if let Some(behind) = self.lanes.get_mut(&lane) {
            behind.from = offset + 1;
        }
    }

    /// A record of a lane that does not wait found no room.
    pub(super) fn no_room(&mut self, lane: Lane, offset: i64) {
        self.lanes.insert(lane, Behind { from: offset, waits: true });
    }

    /// The second reader is behind `offset`; the first one comes to `head` next.
    pub(super) fn passed(&mut self, offset: i64, head: i64) -> Next {
        if offset + 1 >= head {
            // All there is was seen: whoever does not wait has nothing left.
            self.lanes.retain(|_, behind| behind.waits);
            self.at = None;
        } else if self.lanes.values().all(|behind| behind.waits) {
            self.at = None;
        } else {
            self.at = Some(offset + 1);
            return Next::ReadOn;
        }
        Next::Stop
    }
}

#[cfg(test)]
mod tests;
