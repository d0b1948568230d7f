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
        let state = State { progress, running: 0, committed: None, asked: None, is_open: true };
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

    /// How far it is, once that is known.
    pub(super) fn progress<T>(&self, read: impl FnOnce(&Progress) -> T) -> Option<T> {
        self.state().progress.as_ref().map(read)
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
        let progress = state.progress.as_ref()?;
        let next =
            Committed { offset: progress.watermark(), metadata: progress.metadata(METADATA) };
        let is_asked =
            |(asked, at): &(Committed, Instant)| *asked == next && at.elapsed() < UNANSWERED;
        if state.committed.as_ref() == Some(&next) || state.asked.as_ref().is_some_and(is_asked) {
            return None;
        }
        state.asked = Some((next.clone(), Instant::now()));
        Some(next)
    }

    /// The brokers answered to a commit of this offset.
    pub(super) fn answered(&self, offset: i64, is_committed: bool) {
        let mut state = self.state();
        if let Some((asked, _)) = state.asked.take_if(|(asked, _)| asked.offset == offset) {
            state.committed = is_committed.then_some(asked);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").field("place", &self.place).finish_non_exhaustive()
    }
}
