//! [`Writer`]: the thread that writes.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    counts::Counts,
    file::{Failed, LogFile, RETRY},
    lanes::{Lanes, Work},
    line,
};
use crate::audit::{AuditAction, AuditEvent, CommitHandle, NotCommitted};

/// Writes what waits: commits first, then counts, then records.
pub(super) struct Writer {
    lanes: Arc<Lanes>,
    file: LogFile,
    /// What was not written, and has not been told yet.
    owed: Counts,
    batch: Batch,
}

/// Lines that are written together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Each event, with where its line ends.
    events: Vec<(AuditEvent, usize)>,
}

impl Writer {
    pub(super) fn new(lanes: Arc<Lanes>, file: LogFile) -> Self {
        Self { lanes, file, owed: Counts::NONE, batch: Batch::default() }
    }

    pub(super) fn run(mut self) {
        // On a panic as well: from then on nothing is taken, and nobody waits.
        let _abandons = Abandons(Arc::clone(&self.lanes));
        loop {
            let at_most = (!self.owed.is_empty()).then_some(RETRY);
            let work = self.lanes.next(at_most);
            let last = work.last;
            self.work(work);
            if last {
                return self.finish();
            }
        }
    }

    fn work(&mut self, work: Work) {
        if !work.flushes.is_empty() {
            self.file.retry();
        }
        self.commit(work.commits);
        self.owed.absorb(&work.dropped);
        let owed = self.owed.take();
        self.record(owed.events());
        self.record(work.records.into_iter());
        if !work.flushes.is_empty() {
            let written = self.owed.is_empty() && self.file.sync_all().is_ok();
            answer(work.flushes, written);
        }
    }

    /// Writes and syncs all that wait at once, and answers them then.
    fn commit(&mut self, commits: Vec<(AuditEvent, CommitHandle)>) {
        if commits.is_empty() {
            return;
        }
        let mut lines = Vec::new();
        let well_formed = commits.iter().all(|(event, _)| line::write(&mut lines, event).is_ok());
        // Into the next file, if there is one; else into this one, however long it is.
        self.file.has_room(lines.len());
        let durable = well_formed && self.file.append(&lines).is_ok() && self.file.sync().is_ok();
        answer(commits.into_iter().map(|(_, handle)| handle), durable);
    }

    /// Writes what there is room for, and counts the rest.
    fn record(&mut self, events: impl Iterator<Item = AuditEvent>) {
        let mut line = Vec::new();
        for event in events {
            line.clear();
            let written = line::write(&mut line, &event);
            if !self.file.fits(self.batch.bytes.len() + line.len()) {
                self.write_batch();
            }
            let more = self.batch.bytes.len() + line.len();
            let has_room = self.file.has_room(more)
                && (!is_anybodys(&event) || self.file.spares_the_reserve(more));
            if written.is_err() || !has_room {
                self.owed.add(&event);
                continue;
            }
            self.batch.push(event, &line);
        }
        self.write_batch();
    }

    fn write_batch(&mut self) {
        let batch = mem::take(&mut self.batch);
        if batch.events.is_empty() {
            return;
        }
        if let Err(Failed { written }) = self.file.append(&batch.bytes) {
            batch.beyond(written).for_each(|event| self.owed.add(event));
        }
    }

    /// The last lines: what is still owed, whether there is room or not. There are few.
    fn finish(mut self) {
        let mut lines = Vec::new();
        for event in self.owed.events() {
            // What cannot be told now is never told: there is nobody left to tell it to.
            let _ = line::write(&mut lines, &event);
        }
        if !lines.is_empty() {
            let _ = self.file.append(&lines);
        }
        let _ = self.file.sync();
    }
}

impl Batch {
    fn push(&mut self, event: AuditEvent, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.events.push((event, self.bytes.len()));
    }

    /// The events whose lines were not written to their end.
    fn beyond(&self, written: usize) -> impl Iterator<Item = &AuditEvent> {
        self.events.iter().filter(move |(_, end)| *end > written).map(|(event, _)| event)
    }
}

/// Whether it needs no proof to cause it: however many there are, they leave room for the others.
const fn is_anybodys(event: &AuditEvent) -> bool {
    let refused = matches!(
        event.action,
        AuditAction::Refused(_) | AuditAction::Dropped { reason: Some(_), .. }
    );
    refused && event.tenant.is_none() && event.actor.is_none()
}

struct Abandons(Arc<Lanes>);

impl Drop for Abandons {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn answer(handles: impl IntoIterator<Item = CommitHandle>, durable: bool) {
    for handle in handles {
        // It wakes somebody: foreign code, whose panic is no reason to write nothing ever after.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            handle.finish(if durable { Ok(()) } else { Err(NotCommitted) });
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixTime;

    #[test]
    fn a_line_that_was_written_to_its_end_is_not_counted_as_lost_and_a_torn_one_is() {
        let mut batch = Batch::default();
        for at in 1..=3 {
            let event = AuditEvent::new(UnixTime::from_secs(at), AuditAction::Granted);
            batch.push(event, b"1234567890");
        }
        let lost = |written| batch.beyond(written).map(|it| it.at.as_secs()).collect::<Vec<_>>();
        assert_eq!((lost(0), lost(9)), (vec![1, 2, 3], vec![1, 2, 3]));
        assert_eq!((lost(10), lost(11)), (vec![2, 3], vec![2, 3]));
        assert_eq!((lost(29), lost(30)), (vec![3], vec![]));
    }

    #[test]
    fn when_the_thread_ends_by_a_panic_everybody_is_answered() {
        let lanes = Arc::new(Lanes::new(1));
        let commit = || lanes.commit(AuditEvent::new(UnixTime::EPOCH, AuditAction::Granted));
        let waits = commit();
        let ends = catch_unwind(AssertUnwindSafe(|| {
            let _abandons = Abandons(Arc::clone(&lanes));
            panic!("in the writer");
        }));
        assert!(ends.is_err());
        assert_eq!((waits.wait(), commit().wait()), (Err(NotCommitted), Err(NotCommitted)));
    }
}
