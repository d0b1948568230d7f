//! [`Lanes`]: what waits to be written. Each lane is bounded, and commits have their own.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::counts::{Counts, Kind};
use crate::audit::{AuditEvent, Commit, CommitHandle, NotCommitted};

/// The most commits that wait. More than that, and the disk is too slow to promise anything.
const MAX_COMMITS: usize = 1024;

/// The most records that are handed out at once, so that a commit never waits behind more.
const CHUNK: usize = 256;

/// What waits to be written. The lock is held for moves only, never for input or output.
pub(super) struct Lanes {
    state: Mutex<State>,
    work: Condvar,
    max_records: usize,
}

struct State {
    records: VecDeque<AuditEvent>,
    queued: [usize; Kind::COUNT],
    commits: Vec<(AuditEvent, CommitHandle)>,
    flushes: Vec<CommitHandle>,
    dropped: Counts,
    reopen: bool,
    closed: bool,
}

/// What the writer is to do next.
pub(super) struct Work {
    /// Before everything else: the file was moved away.
    pub(super) reopen: bool,
    pub(super) commits: Vec<(AuditEvent, CommitHandle)>,
    pub(super) dropped: Counts,
    pub(super) records: Vec<AuditEvent>,
    /// To be answered when all of this is on the disk.
    pub(super) flushes: Vec<CommitHandle>,
    /// There will be nothing after this.
    pub(super) last: bool,
}

impl Lanes {
    pub(super) fn new(max_records: usize) -> Self {
        let state = State {
            records: VecDeque::new(),
            queued: [0; _],
            commits: Vec::new(),
            flushes: Vec::new(),
            dropped: Counts::NONE,
            reopen: false,
            closed: false,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), max_records }
    }

    pub(super) fn record(&self, event: AuditEvent) {
        let mut state = self.lock();
        let queued = state.queued[Kind::of(&event).place()];
        let full = state.records.len() >= self.max_records;
        // Half of the queue is for the other kinds.
        if full || state.closed || queued >= self.max_records.div_ceil(2) {
            state.dropped.add(&event);
            return;
        }
        state.queued[Kind::of(&event).place()] += 1;
        state.records.push_back(event);
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn commit(&self, event: AuditEvent) -> Commit {
        let mut state = self.lock();
        if state.closed || state.commits.len() >= MAX_COMMITS {
            return Commit::ready(Err(NotCommitted));
        }
        let (handle, commit) = Commit::pending();
        state.commits.push((event, handle));
        drop(state);
        self.work.notify_one();
        commit
    }

    pub(super) fn flush(&self) -> Commit {
        let mut state = self.lock();
        if state.closed || state.flushes.len() >= MAX_COMMITS {
            return Commit::ready(Err(NotCommitted));
        }
        let (handle, commit) = Commit::pending();
        state.flushes.push(handle);
        drop(state);
        self.work.notify_one();
        commit
    }

    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.work.notify_one();
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Takes nothing more and throws away what waits, so that nobody waits for an answer for ever.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.records.clear();
        // A handle wakes somebody as it is dropped: not under the lock.
        let unanswered = (mem::take(&mut state.commits), mem::take(&mut state.flushes));
        drop(state);
        drop(unanswered);
    }

    /// Waits for something to do; no longer than `at_most`, when there is one.
    pub(super) fn next(&self, at_most: Option<Duration>) -> Work {
        let mut state = self.lock();
        while state.is_idle() {
            match at_most {
                None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at_most) => {
                    let waited = self.work.wait_timeout(state, at_most);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    break;
                }
            }
        }
        state.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock (out of memory) leaves lanes that are still lanes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.records.is_empty()
            && self.commits.is_empty()
            && self.flushes.is_empty()
            && self.dropped.is_empty()
            && !self.reopen
            && !self.closed
    }

    fn take(&mut self) -> Work {
        let chunk = self.records.len().min(CHUNK);
        let records: Vec<_> = self.records.drain(..chunk).collect();
        for event in &records {
            self.queued[Kind::of(event).place()] -= 1;
        }
        // A flush is for everything before it, so it waits for the last chunk.
        let drained = self.records.is_empty();
        let flushes = if drained { mem::take(&mut self.flushes) } else { Vec::new() };
        Work {
            reopen: mem::take(&mut self.reopen),
            commits: mem::take(&mut self.commits),
            dropped: self.dropped.take(),
            records,
            flushes,
            last: self.closed && drained,
        }
    }
}
