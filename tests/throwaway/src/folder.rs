//! A temporary folder.

use std::path::Path;

use crate::{Error, keeper::Keeper};

/// An empty folder that only we can read. It is gone, with what was put into it, when it is dropped
/// or we end, however we do.
///
/// ```
/// let folder = throwaway::Folder::new()?;
/// let path = folder.path().to_owned();
/// std::fs::write(path.join("key"), "secret")?;
/// drop(folder);
/// assert!(!path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Folder(Keeper);

impl Folder {
    /// Makes it, below `TMPDIR` or `/tmp`.
    ///
    /// # Errors
    ///
    /// When the system has no process or no room left.
    pub fn new() -> Result<Self, Error> {
        Keeper::of_folder().map(Self)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.folder()
    }
}
