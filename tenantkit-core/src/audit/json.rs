//! [`JsonLinesSink`]: audit events in a file, one JSON object a line.
//!
//! ```
//! use tenantkit_core::audit::{AuditAction, AuditEvent, AuditSink, JsonLinesSink};
//! use tenantkit_core::{Door, Reason, Refusal, UnixTime};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("audit.jsonl");
//! let sink = JsonLinesSink::open(&path)?;
//! let refusal = Refusal::new(Reason::Expired, Door::Request);
//! sink.record(AuditEvent::new(UnixTime::from_secs(1_800_000_000), AuditAction::Refused(refusal)));
//! sink.flush().wait()?;
//! assert_eq!(
//!     std::fs::read_to_string(&path)?,
//!     "{\"at\":\"2027-01-15T08:00:00.000Z\",\"action\":\"refused\",\
//!       \"code\":\"unverified\",\"reason\":\"expired\",\"door\":\"request\"}\n",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Fields
//!
//! Each line is one object of bounded length, without control characters. A field that has nothing to
//! say is left out. New fields may come; these stay.
//!
//! | field | type | what |
//! |---|---|---|
//! | `at` | string | when: RFC 3339, UTC, to the millisecond |
//! | `action` | string | `refused`, `granted`, `dangerous` or `dropped` |
//! | `code` | string | of a refusal: its [`RefusalCode`](crate::RefusalCode) |
//! | `reason` | string | of a refusal, or of all the dropped: the [`Reason`](crate::Reason) |
//! | `door` | string | of a refusal, or of all the dropped: the [`Door`](crate::Door) |
//! | `count` | number | how many were dropped |
//! | `what` | string | what was built that trusts more than a proof |
//! | `tenant` | string | the verified tenant |
//! | `subject` | object | on whose behalf: `iss` and `sub`, both strings |
//! | `actor` | object | who really acted: `iss` and `sub`, both strings |
//! | `workload` | string | the workload that asked |
//! | `transaction` | string | the transaction, through every service |
//! | `source` | string | what proved the tenant |
//! | `peer` | string | the far end: address and port |
//! | `capability` | string | that was asked for or used |
//! | `why` | string | in the words of who asked |
//! | `expires` | string | until when, as `at` |
//!
//! A `dropped` line without a `tenant` counts refusals without a verified one, those of more tenants
//! than are told apart, and what did not fit in the queue or the file; without a `reason`, events of
//! another kind than refusals. Its `at` is no earlier than the last of them.

mod counts;
mod file;
mod lanes;
mod line;
mod writer;

use std::{
    fmt, io,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use self::{
    file::{Limits, LogFile},
    lanes::Lanes,
    writer::Writer,
};
use super::{AuditEvent, AuditSink, Commit};

/// Appends audit events to a file, on a thread of its own.
///
/// - `record` puts the event in a bounded queue and returns. What does not fit, or cannot be written,
///   is counted, and the count is a line as soon as there is room. One kind of event fills at most
///   half of the queue.
/// - `commit` has a lane of its own, which is written first, and is answered once its line is synced
///   to the disk; commits that wait at the same time share one sync. When the file cannot be written
///   they are answered [`NotCommitted`](super::NotCommitted), and the file is opened anew at the next.
/// - The file grows to [`max_bytes`](JsonLinesOptions::max_bytes) and is then rotated to `<path>.1`,
///   and so on. When all [`keep`](JsonLinesOptions::keep) places are taken, recording stops, and is
///   counted, until a file is moved away. Commits go on, as far as the disk does.
/// - Nothing is ever deleted, and no option makes it so: whoever can fill a log could make it forget.
///   How long a line is kept is decided by what archives `<path>.<number>`, logrotate for one. The file
///   itself may be moved away or deleted at any time: what is written next is in a new one.
/// - Half of the last file is kept for what has a tenant or an actor: refusals without, which anybody
///   can cause, are only counted there.
///
/// It is for one process: two that rotate one file would take it from each other.
///
/// Dropping it writes what is queued, and waits for that. A process that exits without dropping it
/// loses what was recorded and not yet written, and nothing that was committed.
pub struct JsonLinesSink {
    lanes: Arc<Lanes>,
    writer: Option<JoinHandle<()>>,
    path: PathBuf,
}

/// How a [`JsonLinesSink`] is opened.
#[derive(Debug, Clone)]
pub struct JsonLinesOptions {
    path: PathBuf,
    limits: Limits,
    queue: NonZeroUsize,
}

impl JsonLinesSink {
    /// Opens the file at `path`, or creates it, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or the thread cannot be started.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options(path).open()
    }

    /// The same, with other limits.
    #[must_use]
    pub fn options(path: impl AsRef<Path>) -> JsonLinesOptions {
        JsonLinesOptions {
            path: path.as_ref().to_owned(),
            limits: Limits { max_bytes: 256 * 1024 * 1024, keep: 4 },
            queue: const { NonZeroUsize::new(8192).unwrap() },
        }
    }

    /// Tells when everything that was recorded before this is on the disk. It is answered
    /// [`NotCommitted`](super::NotCommitted) when something of that is only counted so far, or was
    /// lost with its disk: a health check that asks it notices a log that is full.
    pub fn flush(&self) -> Commit {
        self.lanes.flush()
    }
}

impl AuditSink for JsonLinesSink {
    fn record(&self, event: AuditEvent) {
        self.lanes.record(event);
    }

    fn commit(&self, event: AuditEvent) -> Commit {
        self.lanes.commit(event)
    }
}

impl Drop for JsonLinesSink {
    fn drop(&mut self) {
        self.lanes.close();
        let Some(writer) = self.writer.take() else { return };
        // A waker that the writer called may have held the last handle: it cannot wait for itself.
        if writer.thread().id() != thread::current().id() {
            // It has panicked at worst, and then every commit was answered and all others are refused.
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for JsonLinesSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesSink").field("path", &self.path).finish_non_exhaustive()
    }
}

impl JsonLinesOptions {
    /// How long one file gets, in bytes. 256 MiB unless told.
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: NonZeroU64) -> Self {
        self.limits.max_bytes = max_bytes.get();
        self
    }

    /// How many full files are kept beside the one that is written. 4 unless told.
    #[must_use]
    pub const fn keep(mut self, files: u32) -> Self {
        self.limits.keep = files;
        self
    }

    /// How many recorded events wait at most. 8,192 unless told.
    #[must_use]
    pub const fn queue(mut self, events: NonZeroU32) -> Self {
        // At least 32 bits wherever this runs, and a saturated bound is still one.
        self.queue = match NonZeroUsize::new(events.get() as usize) {
            Some(events) => events,
            None => NonZeroUsize::MAX,
        };
        self
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or the thread cannot be started.
    pub fn open(self) -> io::Result<JsonLinesSink> {
        let file = LogFile::open(self.path.clone(), self.limits)?;
        let lanes = Arc::new(Lanes::new(self.queue.get()));
        let writer = Writer::new(Arc::clone(&lanes), file);
        let thread = thread::Builder::new().name("tenantkit-audit".to_owned());
        let writer = Some(thread.spawn(move || writer.run())?);
        Ok(JsonLinesSink { lanes, writer, path: self.path })
    }
}
