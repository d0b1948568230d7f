//! [`Task`]: a record in the queue, and what is to become of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenantkit_core::{Refusal, Tier};
use tenantkit_limit::retry::Attempts;

use super::{incoming::Record, partition::Partition, policy::Proof, room::Kept};
use crate::dead_letter::Verdict;

/// A record in the queue. A lease has a clone of the handle to it.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) partition: Arc<Partition>,
    pub(super) record: Arc<Record>,
    pub(super) what: What,
    /// As the directory said when it was read.
    pub(super) tier: Option<Tier>,
    state: Mutex<State>,
    /// Given back with the task.
    _room: Kept,
}

/// What was found when it was read.
#[derive(Debug)]
pub(super) enum What {
    /// Somebody's, to be handled.
    Handle(Proof),
    /// A dead letter, whatever comes.
    Refuse(Refusal),
}

#[derive(Debug, Default)]
struct State {
    attempts: Option<Attempts>,
    /// It is given up, and its dead letter is not written yet.
    verdict: Option<Verdict>,
    /// How often in a row it was put off.
    put_off: u32,
    /// It failed in a batch, and comes alone from now on.
    is_alone: bool,
}

impl Task {
    pub(super) fn new(
        partition: &Arc<Partition>,
        record: Record,
        what: What,
        tier: Option<Tier>,
        room: Kept,
    ) -> Arc<Self> {
        Arc::new(Self {
            partition: Arc::clone(partition),
            record: Arc::new(record),
            what,
            tier,
            state: Mutex::default(),
            _room: room,
        })
    }

    /// Changes the attempts, made by `first` where there are none.
    pub(super) fn with_attempts<T>(
        &self,
        first: impl FnOnce() -> Attempts,
        change: impl FnOnce(&mut Attempts) -> T,
    ) -> T {
        change(self.state().attempts.get_or_insert_with(first))
    }

    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.state().verdict
    }

    pub(super) fn give_up(&self, verdict: Verdict) {
        self.state().verdict = Some(verdict);
    }

    /// Counts how often in a row it was put off.
    pub(super) fn put_off(&self) -> u32 {
        let mut state = self.state();
        state.put_off = state.put_off.saturating_add(1);
        state.put_off
    }

    pub(super) fn is_alone(&self) -> bool {
        self.state().is_alone
    }

    pub(super) fn leave_alone(&self) {
        self.state().is_alone = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is under the lock is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
