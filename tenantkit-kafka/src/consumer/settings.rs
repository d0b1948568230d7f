//! [`Settings`]: times and numbers.

use std::time::Duration;

use super::InvalidConsumer;

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) concurrency: usize,
    pub(super) per_tenant: Option<u32>,
    pub(super) attempt_timeout: Duration,
    pub(super) drain: Duration,
    pub(super) commit_every: Duration,
    pub(super) read_ahead: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 64,
            per_tenant: None,
            attempt_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            commit_every: Duration::from_millis(200),
            read_ahead: 4_000_000,
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), InvalidConsumer> {
        let is_zero = [
            ("concurrency", self.concurrency == 0),
            ("concurrency_per_tenant", self.per_tenant == Some(0)),
            ("attempt_timeout", self.attempt_timeout.is_zero()),
            ("commit_every", self.commit_every.is_zero()),
            ("read_ahead", self.read_ahead == 0),
        ];
        match is_zero.iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(InvalidConsumer::Zero(name)),
            None => Ok(()),
        }
    }

    /// How many handlers of one tenant run at once.
    pub(super) fn of_tenant(&self) -> u32 {
        let half = u32::try_from(self.concurrency.div_ceil(2)).unwrap_or(u32::MAX);
        self.per_tenant.unwrap_or(half)
    }
}
