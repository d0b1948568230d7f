//! [`LogFile`]: a file that is appended to, bounded, rotated, and opened anew after an error.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    mem,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long nothing is tried that failed and that nobody waits for.
pub(super) const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_bytes: u64,
    /// Full files beside the one that is written.
    pub(super) keep: u32,
}

/// A file that is appended to. After an error it is closed, and opened anew at the next use.
pub(super) struct LogFile {
    path: PathBuf,
    limits: Limits,
    open: Option<Open>,
    /// Something was appended to a handle that was closed before it was synced.
    unsure: bool,
    /// The last time that it could not be opened or rotated.
    failed: Option<Instant>,
}

struct Open {
    file: File,
    len: u64,
    /// A device or a pipe has no length to be bounded.
    regular: bool,
    /// The last line was not written to its end.
    torn: bool,
    /// Something was appended since the last sync.
    unsynced: bool,
}

/// How much was written before it failed.
pub(super) struct Failed {
    pub(super) written: usize,
}

impl LogFile {
    pub(super) fn open(path: PathBuf, limits: Limits) -> io::Result<Self> {
        let open = Some(Open::new(&path)?);
        Ok(Self { path, limits, open, unsure: false, failed: None })
    }

    /// Appends. All of it, whatever the limits say.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let mut written = 0;
        let outcome = self.opened().and_then(|open| open.write(bytes, &mut written));
        outcome.map_err(|_| {
            self.broken();
            Failed { written }
        })
    }

    /// Waits until everything that was appended to the file as it is open now is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let outcome = self.open.as_mut().map_or(Ok(()), Open::sync);
        outcome.inspect_err(|_| {
            self.unsure = true;
            self.broken();
        })
    }

    /// The same for everything that was appended since it was asked last. It fails once for each time
    /// that a file had to be left before it was on the disk.
    pub(super) fn sync_all(&mut self) -> io::Result<()> {
        let here = self.sync();
        if mem::take(&mut self.unsure) { Err(io::ErrorKind::Other.into()) } else { here }
    }

    /// Whether `more` bytes fit, in this file or in the one that it is rotated to.
    pub(super) fn has_room(&mut self, more: usize) -> bool {
        if self.fits(more) {
            return true;
        }
        if self.is_waiting() {
            return false;
        }
        // It may be closed, or somebody may have truncated it or moved it away.
        let measured = self.opened().and_then(Open::measure);
        let roomy = match measured {
            Ok(()) if self.fits(more) => Ok(()),
            Ok(()) => self.rotate(),
            Err(error) => Err(error),
        };
        if roomy.is_err() {
            self.failed = Some(Instant::now());
        }
        self.fits(more)
    }

    /// Whether `more` bytes leave the reserve alone: half of the last file that there is a place for.
    pub(super) fn spares_the_reserve(&mut self, more: usize) -> bool {
        let half = self.limits.max_bytes / 2;
        let within = |open: &Open| !open.regular || open.len.saturating_add(more as u64) <= half;
        let Some(open) = &self.open else { return true };
        // Somebody may have truncated it or moved it away.
        within(open)
            || self.opened().is_ok_and(|open| open.measure().is_ok() && within(open))
            || self.free_place().is_ok_and(|free| free.is_some())
    }

    /// Whether `more` bytes fit in this file as it stands.
    pub(super) fn fits(&self, more: usize) -> bool {
        self.open.as_ref().is_some_and(|open| {
            !open.regular || open.len.saturating_add(more as u64) <= self.limits.max_bytes
        })
    }

    /// Tries at once what failed before.
    pub(super) fn retry(&mut self) {
        self.failed = None;
    }

    fn is_waiting(&self) -> bool {
        self.failed.is_some_and(|at| at.elapsed() < RETRY)
    }

    fn broken(&mut self) {
        self.leave();
        self.failed = Some(Instant::now());
    }

    /// Closes it. What was appended goes to the disk first, because no later sync reaches it.
    fn leave(&mut self) {
        if let Some(mut open) = self.open.take() {
            self.unsure |= open.sync().is_err();
        }
    }

    /// The file at the path: opened, if it is not, and opened anew, if somebody has moved away or
    /// deleted the one that is. What is committed must be where it is looked for.
    fn opened(&mut self) -> io::Result<&mut Open> {
        if self.open.as_ref().is_some_and(|open| !open.is_at(&self.path)) {
            self.leave();
        }
        match &mut self.open {
            Some(open) => Ok(open),
            closed => Ok(closed.insert(Open::new(&self.path)?)),
        }
    }

    /// Moves the file to `<path>.1`, that one to `<path>.2`, up to the first place that is free.
    /// Nothing is replaced: without a free place it fails.
    fn rotate(&mut self) -> io::Result<()> {
        let free = self.free_place()?.ok_or(io::ErrorKind::StorageFull)?;
        for place in (1..free).rev() {
            fs::rename(self.place(place), self.place(place + 1))?;
        }
        fs::rename(&self.path, self.place(1))?;
        self.leave();
        self.opened().map(|_| ())
    }

    fn free_place(&self) -> io::Result<Option<u32>> {
        for place in 1..=self.limits.keep {
            match fs::symlink_metadata(self.place(place)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(place)),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn place(&self, place: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{place}"));
        path.into()
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let about = file.metadata()?;
        let (len, regular) = (about.len(), about.is_file());
        let mut torn = false;
        if regular && len > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            torn = last != *b"\n";
        }
        if regular && len == 0 {
            // A file whose name is not on the disk is lost with everything in it.
            #[cfg(unix)]
            File::open(folder(path))?.sync_all()?;
        }
        Ok(Self { file, len, regular, torn, unsynced: false })
    }

    /// Whether it is what the path leads to, as far as that can be seen.
    fn is_at(&self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(there) => self.file.metadata().is_ok_and(|here| is_same(&here, &there)),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// After an error nobody knows what is on the disk: the same handle is never asked twice.
    fn sync(&mut self) -> io::Result<()> {
        if mem::take(&mut self.unsynced) { self.file.sync_data() } else { Ok(()) }
    }

    fn measure(&mut self) -> io::Result<()> {
        self.len = self.file.metadata()?.len();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            (self.torn, self.unsynced) = (false, true);
            self.measure()?;
        }
        while *written < bytes.len() {
            match self.file.write(&bytes[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => {
                    *written += more;
                    self.len += more as u64;
                    self.unsynced = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere an open file cannot be moved away.
#[cfg(not(unix))]
const fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(unix)]
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_bytes: 100, keep: 0 };

    #[test]
    fn what_failed_is_not_tried_again_at_once_unless_somebody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut file = LogFile::open(path.clone(), LIMITS).unwrap();
        fs::remove_file(&path).unwrap();
        file.broken();
        // However slow this machine is.
        file.failed = Instant::now().checked_add(RETRY * 100);
        assert!(!file.has_room(1) && !path.exists());
        file.retry();
        assert!(file.has_room(1) && path.exists());

        file.broken();
        file.failed = Instant::now().checked_sub(RETRY);
        assert!(file.has_room(1));
    }

    #[test]
    fn a_file_that_stays_where_it_is_stays_open() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = LogFile::open(folder.path().join("audit.jsonl"), LIMITS).unwrap();
        assert!(file.append(b"one\n").is_ok());
        // Not synced yet: leaving it would have done that.
        assert!(file.opened().is_ok_and(|open| open.unsynced));
        assert!(file.sync().is_ok());
        assert!(file.opened().is_ok_and(|open| !open.unsynced && open.len == 4));
    }

    #[test]
    fn the_room_beside_a_torn_line_is_what_is_left_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "torn").unwrap();
        let mut file = LogFile::open(path, LIMITS).unwrap();
        assert!(file.append(b"line\n").is_ok());
        assert!(file.fits(90) && !file.fits(91));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_left_before_it_was_on_the_disk_is_told_once() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let (path, real) = (folder.path().join("audit.jsonl"), folder.path().join("real.jsonl"));
        // A device that takes everything and keeps nothing.
        symlink("/dev/null", &path).unwrap();
        let mut file = LogFile::open(path.clone(), LIMITS).unwrap();
        assert!(file.append(b"lost\n").is_ok());
        fs::write(&real, "").unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&real, &path).unwrap();
        assert!(file.append(b"kept\n").is_ok());
        // A commit is only about its own line.
        assert!(file.sync().is_ok());
        assert!(file.sync_all().is_err());
        assert!(file.append(b"later\n").is_ok() && file.sync_all().is_ok());
        assert_eq!(fs::read_to_string(&real).unwrap(), "kept\nlater\n");
    }
}
