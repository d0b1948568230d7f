//! [`Waited`]: how long work stood in line.

use std::time::Duration;

/// How long a request waited for its turn, in all lines together.
///
/// Whoever makes a request wait puts it into the extensions of its answer; whoever counts who waits reads it
/// there. The two are of different crates, and know nothing of each other.
///
/// ```
/// use std::time::Duration;
/// use tenantkit_core::Waited;
///
/// let mut waited = Waited::default();
/// waited += Duration::from_millis(20); // for a permit
/// waited += Duration::from_millis(5); // for a core
/// assert_eq!(waited.duration(), Duration::from_millis(25));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waited(Duration);

impl Waited {
    /// So long.
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// How long.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl std::ops::AddAssign<Duration> for Waited {
    fn add_assign(&mut self, more: Duration) {
        self.0 = self.0.saturating_add(more);
    }
}
