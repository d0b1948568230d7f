//! Two tenants load a service, and what the one does to the other is measured.
//!
//! - [`Generator`] is the heavy tenant: it starts calls on schedule, however slowly they are answered
//!   (open loop), on connections that stay open, and retries as real clients do. It takes a fraction of
//!   a core at 10,000 calls a second, where a general tool takes two.
//! - [`k6`] is the light tenant: a tool that is not ours measures what a tenant feels.
//! - [`Percentiles`] are exact: every sample is kept and sorted, none is put into a bucket.
//! - [`Rounds`] says whether the light tenant was left alone, and whether a run counts at all.
//! - [`Page`] shows it, in one file without scripts that loads nothing; [`Live`] while it happens.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//!
//! use load::{Board, Generator, Target, Tokens};
//!
//! # fn main() -> std::io::Result<()> {
//! let target = Target {
//!     address: ([127, 0, 0, 1], 8080).into(),
//!     path: "/v1/exports".to_owned(),
//!     body: "{}".to_owned(),
//!     tokens: Tokens::mint(Duration::from_secs(60), |_, user| vec![format!("token of {user}")]),
//! };
//! let board = Arc::new(Board::default());
//! let running = Generator::new(target, 1_000).start(Arc::clone(&board))?;
//! std::thread::sleep(Duration::from_secs(10));
//! running.stop()?;
//! println!("{:?}", board.total());
//! # Ok(())
//! # }
//! ```

mod board;
pub mod cpu;
mod generator;
pub mod k6;
mod live;
pub mod page;
mod percentiles;
mod priority;
mod response;
mod retry;
mod rounds;
mod tokens;

pub use board::{Board, Point, Second};
pub use generator::{Generator, Running, Target};
pub use live::Live;
pub use page::Page;
pub use percentiles::Percentiles;
pub use rounds::{Asserted, Broken, Invalid, Round, Rounds, Run, Verdict};
pub use tokens::Tokens;
