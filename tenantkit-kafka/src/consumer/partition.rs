//! [`Partition`]: one that is ours just now, and what is under way of it.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::progress::Progress;

/// A topic's name and the number of a partition.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
}

impl Place {
    pub(crate) fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// A partition from when it is assigned until it is revoked. When it is assigned again it is another one:
/// what was begun under an old one changes nothing any more, and so is never committed by who is no longer
/// its owner.
pub(super) struct Partition {
    pub(super) place: Place,
    state: Mutex<State>,
    quiet: Condvar,
    cancelled: CancellationToken,
}

struct State {
    /// None until the first record was read, where no offset was committed.
    progress: Option<Progress>,
    /// The offset behind its last record, as the brokers told it last.
    end: i64,
    /// Handlers that run.
    running: usize,
    /// What the brokers said is committed.
    committed: Option<Committed>,
    /// What they were asked to commit since, and when.
    asked: Option<(Committed, Instant)>,
    is_open: bool,
}

/// What a commit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) offset: i64,
    pub(super) metadata: String,
}

/// How much of what is done beyond the watermark a commit tells, in bytes. A broker takes 4,096
/// (`offset.metadata.max.bytes`).
const METADATA: usize = 3_800;

/// How long an answer to a commit is waited for.
const UNANSWERED: Duration = Duration::from_secs(5);

impl Partition {
    pub(super) fn new(place: Place, progress: Option<Progress>) -> Self {
        let state =
            State { progress, end: 0, running: 0, committed: None, asked: None, is_open: true };
        Self {
            place,
            state: Mutex::new(state),
            quiet: Condvar::new(),
            cancelled: CancellationToken::new(),
        }
    }

    /// Reads or changes how far it is. Where nothing is known yet, it begins at `offset`.
    pub(super) fn at<T>(&self, offset: i64, change: impl FnOnce(&mut Progress) -> T) -> T {
        change(self.state().progress.get_or_insert_with(|| Progress::from(offset)))
    }

    /// The brokers told where it ends; it is negative where they have not yet.
    pub(super) fn ends_at(&self, end: i64) {
        let mut state = self.state();
        state.end = state.end.max(end);
    }

    /// How far it is, once that is known.
    pub(super) fn progress<T>(&self, read: impl FnOnce(&Progress) -> T) -> Option<T> {
        self.state().progress.as_ref().map(read)
    }

    /// How many offsets are not done with, of what was read and of all that is there; once that is known.
    pub(super) fn behind(&self) -> Option<(u64, u64)> {
        let state = self.state();
        let progress = state.progress.as_ref()?;
        let (read, all) = (progress.span(), state.end - progress.watermark());
        Some((u64::try_from(read).unwrap_or(0), u64::try_from(all.max(read)).unwrap_or(0)))
    }

    /// A handler is about to run, unless the partition is no longer ours.
    pub(super) fn enter(&self) -> bool {
        let mut state = self.state();
        let is_open = state.is_open;
        state.running += usize::from(is_open);
        is_open
    }

    /// A handler that [entered](Self::enter) has ended.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        state.running -= 1;
        if state.running == 0 {
            self.quiet.notify_all();
        }
    }

    /// A record is done with: handled, or a dead letter that was acknowledged.
    pub(super) fn finish(&self, offset: i64) {
        if let Some(progress) = &mut self.state().progress {
            progress.finish(offset);
        }
    }

    /// Nothing of it begins any more.
    pub(super) fn close(&self) {
        self.state().is_open = false;
    }

    /// What still runs of it is dropped.
    pub(super) fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Ends when the partition was [cancelled](Self::cancel).
    pub(super) async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    #[cfg(test)]
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().is_open
    }

    /// Waits until nothing of it runs. `false` if that takes longer.
    pub(super) fn wait_until_quiet(&self, until: Instant) -> bool {
        let mut state = self.state();
        while state.running > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return false;
            }
            let waited = self.quiet.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// What to commit, if it is another than what is committed. What was asked for and not answered is asked for
    /// again after a while: an answer can be lost with its connection.
    pub(super) fn to_commit(&self) -> Option<Committed> {
        let mut state = self.state();
        let next = state.uncommitted()?;
        let is_asked =
            |(asked, at): &(Committed, Instant)| *asked == next && at.elapsed() < UNANSWERED;
        if state.asked.as_ref().is_some_and(is_asked) {
            return None;
        }
        state.asked = Some((next.clone(), Instant::now()));
        Some(next)
    }

    /// What to commit before the partition is another's, if it is another than what is committed for certain. There is
    /// no while to wait: what was asked for while the group took its turns may never be answered.
    pub(super) fn to_commit_at_last(&self) -> Option<Committed> {
        let mut state = self.state();
        let next = state.uncommitted()?;
        state.asked = Some((next.clone(), Instant::now()));
        Some(next)
    }

    /// The brokers answered to this commit.
    pub(super) fn answered(&self, commit: &Committed, is_committed: bool) {
        let mut state = self.state();
        if let Some((asked, _)) = state.asked.take_if(|(asked, _)| asked == commit) {
            state.committed = is_committed.then_some(asked);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn uncommitted(&self) -> Option<Committed> {
        let progress = self.progress.as_ref()?;
        let next =
            Committed { offset: progress.watermark(), metadata: progress.metadata(METADATA) };
        (self.committed.as_ref() != Some(&next)).then_some(next)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        let partition = Partition::new(Place::new("documents", 0), Some(Progress::from(0)));
        partition.at(0, |progress| (0..4).for_each(|offset| _ = progress.read(offset)));
        partition
    }

    #[test]
    fn nothing_begins_in_a_partition_that_was_closed() {
        let partition = partition();
        assert!(partition.enter());
        partition.close();
        assert!(!partition.enter());
        // Whoever did not enter is not waited for.
        partition.leave();
        assert!(partition.wait_until_quiet(Instant::now()));
    }

    #[test]
    fn a_commit_is_asked_for_once_until_it_is_answered() {
        let partition = partition();
        partition.finish(0);
        let first = partition.to_commit().unwrap();
        assert_eq!((first.offset, partition.to_commit()), (1, None));
        partition.answered(&first, true);
        assert_eq!((partition.to_commit(), partition.to_commit_at_last()), (None, None));
        partition.finish(1);
        let second = partition.to_commit().unwrap();
        partition.answered(&second, false);
        assert_eq!(partition.to_commit(), Some(second));
    }

    #[test]
    fn what_nobody_answered_is_committed_before_the_partition_is_anothers() {
        let partition = partition();
        partition.finish(0);
        let asked = partition.to_commit().unwrap();
        assert_eq!(partition.to_commit(), None);
        assert_eq!(partition.to_commit_at_last(), Some(asked));
    }

    #[test]
    fn an_answer_to_an_older_commit_says_nothing_of_what_is_done_beyond_the_watermark() {
        let partition = partition();
        partition.finish(1);
        let older = partition.to_commit().unwrap();
        partition.finish(2);
        let newer = partition.to_commit().unwrap();
        assert_eq!(older.offset, newer.offset);
        partition.answered(&older, true);
        assert_eq!(partition.to_commit_at_last(), Some(newer));
    }
}
