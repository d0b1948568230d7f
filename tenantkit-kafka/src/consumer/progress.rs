//! [`Progress`]: what of a partition is done, and up to where nothing is missing.
//!
//! An offset says "everything before me is done", and records end in any order. So only the
//! *watermark* is committed, the first offset that is not done. What is done beyond it is kept as
//! ranges, and travels in the commit's metadata as far as it fits there: the next owner of the
//! partition skips it. What does not fit is done again.

use std::collections::{BTreeMap, BTreeSet};

/// One partition, for as long as we own it.
///
/// A record that was read is *under way* from when it is [taken](Self::take) until it is
/// [finished](Self::finish), and *left behind* if it was not taken.
///
/// Memory: an entry for each record under way, and one for each gap in what is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// The first offset that is not done.
    watermark: i64,
    /// The first offset that was not read.
    read: i64,
    /// What is done from the watermark on: first offset, and the one behind the last. Neither empty
    /// nor touching each other.
    done: BTreeMap<i64, i64>,
    under_way: BTreeSet<i64>,
}

impl Progress {
    /// Nothing before `offset` concerns us.
    pub(super) const fn from(offset: i64) -> Self {
        Self { watermark: offset, read: offset, done: BTreeMap::new(), under_way: BTreeSet::new() }
    }

    /// What the last owner left, by the [metadata](Self::metadata) of its commit. What is not
    /// ours there counts for nothing: it is done again.
    pub(super) fn restore(offset: i64, metadata: &str) -> Self {
        let mut progress = Self::from(offset);
        progress.done = ranges(offset, metadata).unwrap_or_default();
        progress
    }

    /// A record was read, at the head. What lies between it and the one before does not exist: a compacted
    /// topic has holes, and the marks of transactions are offsets too.
    ///
    /// Whether it is new: neither done nor read before.
    pub(super) fn read(&mut self, offset: i64) -> bool {
        if offset < self.read {
            return false;
        }
        self.finish_range(self.read, offset);
        self.read = offset + 1;
        !self.is_done(offset)
    }

    /// A record is under way.
    pub(super) fn take(&mut self, offset: i64) {
        self.under_way.insert(offset);
    }

    /// A record that was taken is left behind after all.
    pub(super) fn leave(&mut self, offset: i64) {
        self.under_way.remove(&offset);
    }

    /// A record is done. Again is the same as once.
    pub(super) fn finish(&mut self, offset: i64) {
        self.under_way.remove(&offset);
        self.finish_range(offset, offset + 1);
    }

    /// What lies there and was left behind is not there any more: its time in the topic is over.
    pub(super) fn forget(&mut self, start: i64, end: i64) {
        let mut at = start;
        let kept: Vec<i64> = self.under_way.range(start..end.max(start)).copied().collect();
        for offset in kept {
            self.finish_range(at, offset);
            at = offset + 1;
        }
        self.finish_range(at, end);
    }

    /// Whether a record was read and left behind.
    pub(super) fn is_left(&self, offset: i64) -> bool {
        offset < self.read && !self.is_done(offset) && !self.under_way.contains(&offset)
    }

    /// The first offset that was not read.
    pub(super) const fn head(&self) -> i64 {
        self.read
    }

    /// How much is remembered of what is done: so many ranges.
    pub(super) fn ranges(&self) -> usize {
        self.done.len()
    }

    /// How many are under way.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The first offset that is not done: what may be committed.
    pub(super) const fn watermark(&self) -> i64 {
        self.watermark
    }

    /// How many offsets the watermark is behind what was read.
    pub(super) const fn span(&self) -> i64 {
        self.read - self.watermark
    }

    fn is_done(&self, offset: i64) -> bool {
        offset < self.watermark
            || self.done.range(..=offset).next_back().is_some_and(|(_, end)| *end > offset)
    }

    fn finish_range(&mut self, start: i64, end: i64) {
        let mut start = start.max(self.watermark);
        let mut end = end;
        if start >= end {
            return;
        }
        // Whatever it touches becomes one with it.
        if let Some((before, until)) = self.done.range(..=start).next_back().map(|(a, b)| (*a, *b))
            && until >= start
        {
            self.done.remove(&before);
            start = before;
            end = end.max(until);
        }
        while let Some((next, until)) = self.done.range(start..=end).next().map(|(a, b)| (*a, *b)) {
            self.done.remove(&next);
            end = end.max(until);
        }
        if start == self.watermark {
            self.watermark = end;
        } else {
            self.done.insert(start, end);
        }
        self.read = self.read.max(self.watermark);
    }

    /// What is done beyond the watermark, for the commit's metadata: `tk1`, and then by turns how many
    /// offsets are missing and how many are done. As many ranges as fit in `most` bytes, the
    /// first ones.
    pub(super) fn metadata(&self, most: usize) -> String {
        use std::fmt::Write;

        let mut text = String::new();
        let mut at = self.watermark;
        for (start, end) in &self.done {
            let before = text.len();
            let head = if text.is_empty() { MARK } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{head} {:x} {:x}", start - at, end - start);
            if text.len() > most {
                text.truncate(before);
                break;
            }
            at = *end;
        }
        text
    }
}

/// What tells our metadata from anybody else's.
const MARK: &str = "tk1";

fn ranges(offset: i64, metadata: &str) -> Option<BTreeMap<i64, i64>> {
    let mut words = metadata.split(' ');
    if words.next() != Some(MARK) {
        return None;
    }
    let number = |word: &str| i64::from_str_radix(word, 16).ok().filter(|number| *number > 0);
    let (mut ranges, mut at) = (BTreeMap::new(), offset);
    while let Some(missing) = words.next() {
        let start = at.checked_add(number(missing)?)?;
        let end = start.checked_add(number(words.next()?)?)?;
        ranges.insert(start, end);
        at = end;
    }
    Some(ranges)
}

#[cfg(test)]
mod tests;
