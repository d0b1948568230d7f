//! [`Line`]: who waits for an item, and who sleeps until something is due.

use std::{collections::BTreeMap, hash::Hash, task::Waker, time::Duration};

use super::State;

/// Those who wait, by their place in the line. One that is woken has left it, and either takes an item or
/// passes the word on.
#[derive(Default)]
pub(super) struct Line {
    waiting: BTreeMap<u64, Waker>,
    places: u64,
    /// Who is to be told when something is due earlier than this.
    driver: Option<(Duration, Waker)>,
}

/// Who is to be woken, once the lock is given back.
#[derive(Default)]
#[must_use = "nobody is woken by it unless it is woken"]
pub(crate) struct Wakes {
    one: Option<Waker>,
    driver: Option<Waker>,
    all: Vec<Waker>,
}

impl Wakes {
    pub(crate) fn wake(self) {
        let Self { one, driver, all } = self;
        one.into_iter().chain(driver).chain(all).for_each(Waker::wake);
    }
}

impl<K: Hash + Eq + Clone, T> State<K, T> {
    /// Nobody waits or sleeps, as mostly.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.line.waiting.is_empty() && self.line.driver.is_none()
    }

    /// Whom the change that was just made concerns.
    pub(crate) fn wakes(&mut self) -> Wakes {
        let mut wakes = Wakes::default();
        if !self.line.waiting.is_empty() {
            if self.is_over() {
                wakes.all = std::mem::take(&mut self.line.waiting).into_values().collect();
            } else if !self.wheel.is_empty() {
                wakes.one = self.line.waiting.pop_first().map(|(_, waker)| waker);
            }
        }
        if let Some((asleep_until, _)) = &self.line.driver
            && self.is_due_before(*asleep_until)
        {
            wakes.driver = self.line.driver.take().map(|(_, waker)| waker);
        }
        wakes
    }

    /// Takes a place in the line, or keeps the one that it has. Answers with a waker that is not needed
    /// any more.
    pub(crate) fn wait(&mut self, place: &mut Option<u64>, waker: &Waker) -> Option<Waker> {
        let number = *place.get_or_insert_with(|| {
            self.line.places += 1;
            self.line.places
        });
        if self.line.waiting.get(&number).is_some_and(|there| there.will_wake(waker)) {
            return None;
        }
        self.line.waiting.insert(number, waker.clone())
    }

    /// Leaves the line.
    pub(crate) fn give_up(&mut self, place: u64) -> Option<Waker> {
        self.line.waiting.remove(&place)
    }

    /// Sleeps until this time, unless something is due earlier.
    pub(crate) fn sleep(&mut self, until: Duration, waker: &Waker) -> Option<Waker> {
        self.line.driver.replace((until, waker.clone())).map(|(_, waker)| waker)
    }
}
