//! [`Ages`]: since when the one that waits longest waits, in constant time and bounded memory.
//!
//! It counts those that wait by the span of time in which they began. Spans are as wide as there is
//! need: when the oldest is too far back, each two become one.

use std::{collections::VecDeque, time::Duration};

/// The age is told to a 512th of itself, or to a millisecond.
const SPANS: usize = 1024;
/// The least width of a span, as a power of two of nanoseconds: about a millisecond.
const LEAST: u32 = 20;

#[derive(Default)]
pub(super) struct Ages {
    counts: VecDeque<u32>,
    /// The number of the first span.
    first: u64,
    /// How wide they are above [`LEAST`], as a power of two.
    wider: u32,
}

impl Ages {
    /// One begins to wait, at this time in nanoseconds.
    #[inline]
    pub(super) fn insert(&mut self, since: u64) {
        match self.count(since) {
            Some(count) => *count += 1,
            None => self.insert_outside(since),
        }
    }

    /// One that began to wait then waits no longer.
    #[inline]
    pub(super) fn remove(&mut self, since: u64) {
        if let Some(count) = self.count(since) {
            *count = count.saturating_sub(1);
            if *count > 0 {
                return;
            }
        }
        self.trim();
    }

    /// How long the one that waits longest has waited.
    pub(super) fn longest(&self, now: Duration) -> Option<Duration> {
        (!self.counts.is_empty()).then(|| {
            let since = self.first << (LEAST + self.wider);
            now.saturating_sub(Duration::from_nanos(since))
        })
    }

    /// How many began to wait in the span of this time.
    #[inline]
    fn count(&mut self, since: u64) -> Option<&mut u32> {
        let at = self.span(since).checked_sub(self.first)?;
        self.counts.get_mut(usize::try_from(at).ok()?)
    }

    fn insert_outside(&mut self, since: u64) {
        if self.counts.is_empty() {
            self.wider = 0;
            self.first = self.span(since);
        }
        // One that comes back may be older than any.
        while self.span(since) + (SPANS as u64) <= self.last()
            || self.span(since) >= self.first + (SPANS as u64)
        {
            self.widen();
        }
        let span = self.span(since);
        while span < self.first {
            self.counts.push_front(0);
            self.first -= 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below SPANS")]
        let at = (span - self.first) as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
    }

    fn trim(&mut self) {
        while self.counts.front() == Some(&0) {
            self.counts.pop_front();
            self.first += 1;
        }
        while self.counts.back() == Some(&0) {
            self.counts.pop_back();
        }
        if self.counts.is_empty() && self.counts.capacity() > 64 {
            self.counts = VecDeque::new();
        }
    }

    const fn span(&self, since: u64) -> u64 {
        since >> (LEAST + self.wider)
    }

    fn last(&self) -> u64 {
        self.first + self.counts.len().saturating_sub(1) as u64
    }

    fn widen(&mut self) {
        let mut counts = VecDeque::with_capacity(SPANS / 2 + 1);
        for (number, count) in (self.first..).zip(&self.counts) {
            if number % 2 == 0 || counts.is_empty() {
                counts.push_back(*count);
            } else if let Some(last) = counts.back_mut() {
                *last += count;
            }
        }
        self.counts = counts;
        self.first /= 2;
        self.wider += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_longest_wait_is_told_to_a_512th_or_a_millisecond_and_never_too_short(
            steps in prop::collection::vec((0_u64..50_000_000_000, any::<bool>(), 0_usize..9), 1..300),
        ) {
            let (mut ages, mut model, mut now) = (Ages::default(), Vec::new(), 0_u64);
            // How far apart two of those that wait have ever begun, since none did.
            let mut widest = 0;
            for (wait, comes, which) in steps {
                now += wait >> (which * 4);
                if comes || model.is_empty() {
                    // Some come back that began long ago.
                    let since = if which == 0 { now / 2 } else { now };
                    ages.insert(since);
                    model.push(since);
                } else {
                    ages.remove(model.swap_remove(which % model.len()));
                }
                let (first, last) = (model.iter().min(), model.iter().max());
                widest = first.zip(last).map_or(0, |(first, last)| widest.max(last - first));
                let told = ages.longest(Duration::from_nanos(now));
                prop_assert_eq!(told.is_some(), first.is_some());
                if let (Some(told), Some(first)) = (told, first) {
                    let (told, oldest) = (u64::try_from(told.as_nanos()).unwrap(), now - first);
                    let spread = (1 << LEAST).max(widest / 511);
                    prop_assert!(oldest <= told && told <= oldest + spread, "{told} {oldest}");
                    prop_assert!(ages.counts.len() <= SPANS);
                }
            }
        }
    }
}
