//! What loads acmedocs: the demonstration (`examples/demo`) and the proof of isolation
//! (`tests/isolation`), each a program of its own. Optimized, as services are that bear a load.

use std::{env, os::unix::process::CommandExt, path::PathBuf, process::Command};

use crate::{Failure, servers::Servers, step::Step};

/// How the proof of isolation ends where the machine let nothing be measured.
const NOTHING_SAID: i32 = 3;

/// A program that starts acmedocs from beside its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Program {
    /// The story, and what two tenants do to each other.
    Demo,
    /// Whether one of them is left alone.
    Isolation,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Isolation => "isolation",
        }
    }

    /// Becomes the program, so that a signal for this process is one for that.
    ///
    /// # Errors
    ///
    /// When it does not build or start. Else it does not return.
    pub(crate) fn become_it(self, arguments: &[&str]) -> Result<(), Failure> {
        let packages = format!("--package acmedocs --package {}", self.name());
        build(&format!("cargo build --release {packages}"))?;
        Err(Command::new(self.path()).args(arguments).exec().into())
    }

    /// It as a step among others, on the servers of the tests.
    ///
    /// # Errors
    ///
    /// When it does not build, or something is not as promised.
    pub(crate) fn step(self, arguments: &str, servers: &Servers) -> Result<(), Failure> {
        // All that run so, so that nothing is built twice.
        build("cargo build --release --package acmedocs --package demo --package isolation")?;
        let line = format!("{} {arguments}", self.path().display());
        // A machine on which nothing can be measured breaks no promise.
        Step::new(self.name(), &line).envs(servers.variables()).undecided(NOTHING_SAID).run()
    }

    fn path(self) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        PathBuf::from(target).join("release").join(self.name())
    }
}

fn build(line: &str) -> Result<(), Failure> {
    Step::new("acmedocs and what loads it", line).run()
}
