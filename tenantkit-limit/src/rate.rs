//! [`RateLimiter`]: how much each tenant may do in time.
//!
//! ```
//! use std::time::Duration;
//! use tenantkit_limit::{
//!     quota::{Cost, Quota},
//!     rate::{Denial, RateLimiter},
//! };
//!
//! const GOLD: Quota = Quota::per_second(10).burst(2).and_per_minute(100).declare();
//!
//! let limiter = RateLimiter::new(1_000_000);
//! let mut now = Duration::ZERO; // of a monotonic clock: `clock.monotonic()`
//! let gold = limiter.plan(&GOLD, now)?;
//!
//! assert!(limiter.check(&"acme", &gold, Cost::ONE, now).is_allowed());
//! assert!(limiter.check(&"acme", &gold, Cost::ONE, now).is_allowed());
//!
//! // A refusal says exactly how long to wait, and has taken nothing from any window.
//! let refused = limiter.check(&"acme", &gold, Cost::ONE, now);
//! let wait = refused.retry_after().unwrap();
//! assert_eq!(wait.as_millis(), 100);
//! now += wait;
//! assert!(limiter.check(&"acme", &gold, Cost::ONE, now).is_allowed());
//!
//! // What can never pass is told so, and not to wait.
//! let three = Cost::new(3).unwrap();
//! let never = limiter.check(&"acme", &gold, three, now);
//! assert_eq!(never.denial(), Some(Denial::CostTooLarge { window: 0, burst: 2 }));
//! # Ok::<(), tenantkit_limit::rate::TooManyPlans>(())
//! ```
//!
//! # What it promises
//!
//! - **Never more.** Over any span of time T a key passes no more than `burst + rate * T` in any window,
//!   whatever threads do and whatever the clock says; rounding only ever refuses (`gcra.rs`).
//! - **All windows or none.** What a key took from all its windows is one 128-bit word that is moved by
//!   one compare-and-swap (`layout.rs`). There is no lock but while a shard is rebuilt (`shard.rs`).
//! - **Exact identity.** Keys are compared whole. Hashing is keyed ([`Keyed`]).
//! - **Bounded memory.** Keys that are idle are forgotten, which changes no decision. At the limit of
//!   keys, those that are there stay exact. The newcomers of one plan then share *one* quota of that plan:
//!   each gets at most its own quota, all of them together too, and one that is let in later starts
//!   with what they took together. [`Decision::is_shared`] says so.
//! - **A plan can change while running.** What was taken is carried over in units of cost: after a change
//!   from 100 to 200, of which 80 were taken, 120 remain. It counts from a tenant's first check under the
//!   new plan; until then it earns at the old rate. A burst that shrinks forgives what exceeds it.
//! - **Time.** Give it a monotonic clock. If it goes back all the same, nobody gains, and tenants wait for it
//!   to catch up. It ends after 36 years; what then is not earned yet never will be.
//!
//! # Speed
//!
//! A check of a tenant that is there allocates nothing. What it waits for is the clock, the tenant's place
//! in memory, and two atomic operations: the compare-and-swap, and one that keeps the tables from being freed
//! meanwhile (`published.rs`). On x86-64 a build for processors that are known to have the first of them
//! (`-C target-feature=+cmpxchg16b,+avx`, both of which `-C target-cpu=x86-64-v3` has as well) has it in
//! place; any other finds out when it runs, and calls it through a pointer. With the feature `quanta` there is
//! `TscClock`, which reads the processor's counter instead of asking for the time.
//!
//! The loom model of the table is run by
//! `RUSTFLAGS="--cfg tenantkit_loom" cargo test -p tenantkit-limit --lib --release loom`.

#[cfg(feature = "quanta")]
mod clock;
mod decision;
pub(crate) mod gcra;
mod hash;
mod known;
pub(crate) mod layout;
mod limiter;
mod plan;
mod published;
mod shard;
mod sync;
mod table;

#[cfg(feature = "quanta")]
pub use clock::TscClock;
pub use decision::{Charge, Decision, Denial, Standing};
pub use hash::Keyed;
pub use limiter::RateLimiter;
pub use plan::{Plan, TooManyPlans};
