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
    /// How many records were ever put in.
    accepted: u64,
    commits: Vec<(AuditEvent, CommitHandle)>,
    /// Each with what was accepted before it.
    flushes: Vec<(u64, CommitHandle)>,
    dropped: Counts,
    closed: bool,
}

/// What the writer is to do next.
pub(super) struct Work {
    pub(super) commits: Vec<(AuditEvent, CommitHandle)>,
    pub(super) dropped: Counts,
    pub(super) records: Vec<AuditEvent>,
    /// To be answered when all of this is on the disk, and what was handed out before.
    pub(super) flushes: Vec<CommitHandle>,
    /// There will be nothing after this.
    pub(super) last: bool,
}

impl Lanes {
    pub(super) fn new(max_records: usize) -> Self {
        let state = State {
            records: VecDeque::new(),
            queued: [0; _],
            accepted: 0,
            commits: Vec::new(),
            flushes: Vec::new(),
            dropped: Counts::NONE,
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
        state.accepted += 1;
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
        let before = state.accepted;
        state.flushes.push((before, handle));
        drop(state);
        self.work.notify_one();
        commit
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
            && !self.closed
    }

    fn take(&mut self) -> Work {
        let chunk = self.records.len().min(CHUNK);
        let records: Vec<_> = self.records.drain(..chunk).collect();
        for event in &records {
            self.queued[Kind::of(event).place()] -= 1;
        }
        // A flush waits for everything before it, and for nothing after it: a flood has no last record.
        let handed_out = self.accepted - self.records.len() as u64;
        let due = self.flushes.partition_point(|(before, _)| *before <= handed_out);
        let flushes = self.flushes.drain(..due).map(|(_, handle)| handle).collect();
        Work {
            commits: mem::take(&mut self.commits),
            dropped: self.dropped.take(),
            records,
            flushes,
            last: self.closed && self.records.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Door, Reason, Refusal, UnixTime, audit::AuditAction};

    fn refused(reason: Reason) -> AuditEvent {
        let refusal = Refusal::new(reason, Door::Request);
        AuditEvent::new(UnixTime::EPOCH, AuditAction::Refused(refusal))
    }

    fn counts(work: &Work) -> Vec<u64> {
        let count = |event: AuditEvent| match event.action {
            AuditAction::Dropped { count, .. } => count,
            other => panic!("{other:?}"),
        };
        work.dropped.events().map(count).collect()
    }

    #[test]
    fn one_kind_leaves_half_of_the_queue_to_the_others() {
        let lanes = Lanes::new(10);
        for _ in 0..100 {
            lanes.record(refused(Reason::Expired));
        }
        for _ in 0..4 {
            lanes.record(refused(Reason::BadSignature));
        }
        lanes.record(AuditEvent::new(UnixTime::EPOCH, AuditAction::Granted));
        lanes.record(refused(Reason::UnknownKey));
        let work = lanes.next(None);
        assert_eq!(work.records.len(), 10);
        assert_eq!(work.records.iter().filter(|it| **it == refused(Reason::Expired)).count(), 5);
        let mut dropped = counts(&work);
        dropped.sort_unstable();
        assert_eq!(dropped, [1, 95]);
        // What was handed out has left the queue.
        lanes.record(refused(Reason::Expired));
        assert_eq!(lanes.next(None).records.len(), 1);
    }

    #[test]
    fn a_count_that_does_not_fit_counts_for_what_it_counted() {
        let lanes = Lanes::new(1);
        let count = AuditAction::Dropped { reason: Some(Reason::Expired), door: None, count: 7 };
        lanes.record(refused(Reason::Expired));
        lanes.record(AuditEvent::new(UnixTime::EPOCH, count));
        lanes.record(refused(Reason::Expired));
        assert_eq!(counts(&lanes.next(None)), [8]);
    }

    #[test]
    fn commits_are_bounded_and_no_flood_of_records_takes_their_room() {
        let lanes = Lanes::new(1);
        for _ in 0..100 {
            lanes.record(refused(Reason::Expired));
        }
        let waiting: Vec<_> =
            (0..MAX_COMMITS).map(|_| lanes.commit(refused(Reason::Expired))).collect();
        assert_eq!(lanes.commit(refused(Reason::Expired)).wait(), Err(NotCommitted));
        let work = lanes.next(None);
        assert_eq!(work.commits.len(), MAX_COMMITS);
        for (_, handle) in work.commits {
            handle.finish(Ok(()));
        }
        assert!(waiting.into_iter().all(|commit| commit.wait().is_ok()));
    }

    #[test]
    fn a_flush_waits_for_the_last_record_before_it_and_a_commit_for_a_chunk_at_most() {
        let lanes = Lanes::new(CHUNK * 4);
        for _ in 0..CHUNK {
            lanes.record(refused(Reason::Expired));
            lanes.record(refused(Reason::BadSignature));
        }
        let _flushed = lanes.flush();
        let first = lanes.next(None);
        assert_eq!((first.records.len(), first.flushes.len(), first.last), (CHUNK, 0, false));
        let _committed = lanes.commit(refused(Reason::Expired));
        let second = lanes.next(None);
        assert_eq!(
            (second.commits.len(), second.records.len(), second.flushes.len()),
            (1, CHUNK, 1)
        );
    }

    #[test]
    fn a_flush_does_not_wait_for_what_is_recorded_after_it() {
        let lanes = Lanes::new(CHUNK * 8);
        let flood = |events| (0..events).for_each(|_| lanes.record(refused(Reason::Expired)));
        flood(CHUNK + 1);
        let _flushed = lanes.flush();
        flood(CHUNK - 1);
        assert_eq!(lanes.next(None).flushes.len(), 0);
        flood(CHUNK);
        assert_eq!(lanes.next(None).flushes.len(), 1);
    }

    #[test]
    fn closed_it_hands_out_everything_and_takes_nothing_more() {
        let lanes = Lanes::new(CHUNK * 4);
        for _ in 0..=CHUNK / 2 {
            lanes.record(refused(Reason::Expired));
            lanes.record(refused(Reason::BadSignature));
        }
        lanes.close();
        assert_eq!(lanes.commit(refused(Reason::Expired)).wait(), Err(NotCommitted));
        assert_eq!(lanes.flush().wait(), Err(NotCommitted));
        let first = lanes.next(None);
        assert_eq!((first.records.len(), first.last), (CHUNK, false));
        let second = lanes.next(None);
        assert_eq!((second.records.len(), second.last), (2, true));
    }

    #[test]
    fn abandoned_it_answers_everybody() {
        let lanes = Lanes::new(1);
        let (committed, flushed) = (lanes.commit(refused(Reason::Expired)), lanes.flush());
        lanes.abandon();
        assert_eq!((committed.wait(), flushed.wait()), (Err(NotCommitted), Err(NotCommitted)));
        assert_eq!(lanes.commit(refused(Reason::Expired)).wait(), Err(NotCommitted));
    }

    #[test]
    fn without_work_nothing_is_handed_out() {
        let lanes = Lanes::new(1);
        std::thread::scope(|scope| {
            let next = scope.spawn(|| lanes.next(None));
            // It is asked before there is anything, or after: in neither case it comes back empty.
            std::thread::yield_now();
            lanes.record(refused(Reason::Expired));
            assert_eq!(next.join().unwrap().records.len(), 1);
        });
    }

    #[test]
    fn without_work_it_waits_no_longer_than_it_may() {
        let work = Lanes::new(1).next(Some(Duration::ZERO));
        assert!(work.records.is_empty() && work.commits.is_empty() && !work.last);
    }
}
