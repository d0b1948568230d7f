//! The demonstration, which is a program of its own in `examples/demo`.

use std::{env, os::unix::process::CommandExt, path::PathBuf, process::Command};

use crate::{Failure, servers::Servers, step::Step};

/// Becomes the demonstration, so that a signal for this process is one for that.
///
/// # Errors
///
/// When it does not build or start. Else it does not return.
pub(crate) fn become_it(arguments: &[&str]) -> Result<(), Failure> {
    build("cargo build --package acmedocs --package demo")?;
    Err(Command::new(program()).args(arguments).exec().into())
}

/// The story as a step among others, on the servers of the tests.
///
/// # Errors
///
/// When it does not build, or a line of its story is not as promised.
pub(crate) fn step(servers: &Servers) -> Result<(), Failure> {
    // With the features that the tests were built with, so that little is left to build.
    build("cargo build --workspace --all-features --bins --tests")?;
    let line = format!("{} --once", program().display());
    Step::new("the demonstration", &line).envs(servers.variables()).run()
}

/// The program and acmedocs, which it starts from beside its own.
fn build(line: &str) -> Result<(), Failure> {
    Step::new("acmedocs and its demonstration", line).run()
}

fn program() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    PathBuf::from(target).join("debug/demo")
}
