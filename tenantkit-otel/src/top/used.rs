//! [`Used`]: what a request used, and [`Measure`]: by what tenants are ranked.

use std::time::Duration;

/// By what tenants are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// Requests, refused ones as well.
    Requests,
    /// Time that they took, in microseconds.
    Time,
    /// Bytes that they moved.
    Bytes,
    /// Refusals.
    Refusals,
    /// Time that they waited in queues, in microseconds.
    QueueWait,
}

impl Measure {
    /// Every one of them.
    pub const ALL: [Self; 5] =
        [Self::Requests, Self::Time, Self::Bytes, Self::Refusals, Self::QueueWait];

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Time => "time",
            Self::Bytes => "bytes",
            Self::Refusals => "refusals",
            Self::QueueWait => "queue-wait",
        }
    }

    /// In what it is counted.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Requests => "{request}",
            Self::Refusals => "{refusal}",
            Self::Time | Self::QueueWait => "us",
            Self::Bytes => "By",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// What one request, or one piece of other work, used. Times are counted in whole microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it counts nothing until it is recorded"]
pub struct Used([u64; Measure::ALL.len()]);

impl Used {
    /// A request that was served.
    pub const fn request() -> Self {
        Self([1, 0, 0, 0, 0])
    }

    /// A request that was refused.
    pub const fn refusal() -> Self {
        Self([1, 0, 0, 1, 0])
    }

    /// Work that is no request of its own: a record, a job.
    pub const fn work() -> Self {
        Self([0; Measure::ALL.len()])
    }

    /// How long it took.
    pub fn took(self, time: Duration) -> Self {
        self.with(Measure::Time, micros(time))
    }

    /// How many bytes it moved.
    pub const fn bytes(self, bytes: u64) -> Self {
        self.with(Measure::Bytes, bytes)
    }

    /// How long it waited in queues.
    pub fn waited(self, time: Duration) -> Self {
        self.with(Measure::QueueWait, micros(time))
    }

    const fn with(mut self, measure: Measure, amount: u64) -> Self {
        self.0[measure as usize] = amount;
        self
    }

    pub(super) fn amounts(self) -> [u64; Measure::ALL.len()] {
        self.0
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
