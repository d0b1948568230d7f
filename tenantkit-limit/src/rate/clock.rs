use std::{fmt, time::Duration};

use tenantkit_core::{Clock, SystemClock, UnixTime};

/// The machine's clocks, of which the monotonic one is read from the processor's counter of cycles (TSC),
/// in less time than [`SystemClock`] takes.
///
/// ```
/// use tenantkit_core::Clock;
/// use tenantkit_limit::rate::TscClock;
///
/// let clock = TscClock::new();
/// assert!(clock.monotonic() <= clock.monotonic());
/// ```
///
/// # What it costs in exactness
///
/// The counter's frequency is measured when a process makes its first such clock, which takes up to 200 ms,
/// and is not looked at again. What NTP finds out later is not followed, so that all windows of
/// a limiter are longer or shorter by the same few millionths. Processors whose counters differ may
/// give two threads times that differ as much; a limiter lets no more pass by that, in the time that it is
/// told.
/// Where the processor has no counter that runs at one speed, it reads the operating system's
/// monotonic clock, at that clock's price.
#[derive(Clone)]
pub struct TscClock {
    counter: quanta::Clock,
    start: u64,
    calendar: SystemClock,
}

impl TscClock {
    /// Starts the monotonic clock at zero. The first of a process takes up to 200 ms.
    #[must_use]
    pub fn new() -> Self {
        let counter = quanta::Clock::new();
        Self { start: counter.raw(), counter, calendar: SystemClock::new() }
    }
}

impl Default for TscClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TscClock {
    fn now(&self) -> UnixTime {
        self.calendar.now()
    }

    #[inline]
    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.counter.delta_as_nanos(self.start, self.counter.raw()))
    }
}

impl fmt::Debug for TscClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TscClock").finish_non_exhaustive()
    }
}
