//! [`SharedRatesBuilder`]: what [`SharedRates`] are made from.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use redis::{Client, IntoConnectionInfo};

use super::{Courier, Inner, SharedRates, account::Spans, accounts::Accounts, status::Mode};

/// Makes [`SharedRates`].
#[must_use = "it does nothing until it is built"]
pub struct SharedRatesBuilder {
    client: Result<Client, InvalidShared>,
    processes: NonZeroU32,
    prefix: String,
    term: Duration,
    deadline: Duration,
    most_accounts: usize,
}

impl SharedRatesBuilder {
    pub(super) fn new(server: impl IntoConnectionInfo, processes: NonZeroU32) -> Self {
        Self {
            // What the library says of a bad URL is not repeated: it may have the password in it.
            client: Client::open(server).map_err(|_| InvalidShared::Server),
            processes,
            prefix: "tenantkit:rate".to_owned(),
            term: Duration::from_secs(1),
            deadline: Duration::from_millis(100),
            most_accounts: 1_000_000,
        }
    }

    /// What every key begins with, `tenantkit:rate` if not said. Processes that share their rates have
    /// the same; a-z, 0-9 and `_-.:`, at most 64 of them.
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// How long what was leased may be spent, a second if not said; 0.5 s to 60 s. The overshoot grows
    /// with it, and so does what a process that dies takes with it.
    pub const fn term(mut self, term: Duration) -> Self {
        self.term = term;
        self
    }

    /// How long a call to Redis may take before this process goes on alone, 100 ms if not said; 1 ms
    /// to 10 s. No request waits for it.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many pairs of tenant and resource are kept at a time, idle ones not counted. A million if
    /// not said; past it newcomers have their safe share.
    pub const fn most_accounts(mut self, most: usize) -> Self {
        self.most_accounts = most;
        self
    }

    /// The rates, and who carries them: spawn [`Courier::run`]. Until it runs, and Redis has answered,
    /// tenants have their safe share.
    ///
    /// # Errors
    ///
    /// When something said is out of its range. Redis is not asked for anything yet.
    pub fn build(self) -> Result<(SharedRates, Courier), InvalidShared> {
        let client = self.client?;
        let plain =
            |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b':');
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.bytes().all(plain) {
            return Err(InvalidShared::Prefix);
        }
        if !(Duration::from_millis(500)..=Duration::from_secs(60)).contains(&self.term) {
            return Err(InvalidShared::Term);
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(10)).contains(&self.deadline) {
            return Err(InvalidShared::Deadline);
        }
        let spans = Spans {
            term: nanos(self.term),
            linger: nanos(SharedRates::LINGER),
            patience: nanos(self.deadline + 2 * SharedRates::LINGER),
        };
        let inner = Arc::new(Inner {
            accounts: Accounts::new(self.most_accounts),
            spans,
            processes: self.processes,
            mode: Mode::new(),
            due: super::due::Due::default(),
            bound: std::sync::OnceLock::new(),
        });
        let courier = Courier::new(Arc::clone(&inner), client, self.prefix, self.deadline);
        Ok((SharedRates { inner }, courier))
    }
}

impl fmt::Debug for SharedRatesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the server, which may have a password.
        f.debug_struct("SharedRatesBuilder")
            .field("processes", &self.processes)
            .field("prefix", &self.prefix)
            .field("term", &self.term)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// At most a minute.
#[expect(clippy::cast_possible_truncation, reason = "the ranges are checked before")]
const fn nanos(span: Duration) -> u64 {
    span.as_nanos() as u64
}

/// Why there are no [`SharedRates`]. It never repeats what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidShared {
    /// No URL of a Redis, or one that needs a feature of the `redis` crate that is off.
    #[error(
        "the server must be like redis://user:password@host:port/database; rediss:// needs a TLS feature of the redis crate"
    )]
    Server,
    /// A prefix that cannot be one.
    #[error("the prefix must have 1 to 64 of a-z, 0-9, `_`, `-`, `.` and `:`")]
    Prefix,
    /// A term that is too short or too long.
    #[error("the term must be 0.5 s to 60 s")]
    Term,
    /// A deadline that is too short or too long.
    #[error("the deadline must be 1 ms to 10 s")]
    Deadline,
}
