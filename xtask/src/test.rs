//! Everything there is, in order, until the first failure.

use std::{path::Path, process::Command, time::Instant};

use throwaway::{Collector, tools};

use crate::{
    Failure, features, fuzz,
    load::Program,
    secrets,
    servers::{K6, Servers},
    step::{Step, say},
};

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What to run before a commit.
    Quick,
    /// What CI runs.
    Everything,
}

/// The lints, the tests and the documentation, and then the models of what is lock-free, each feature
/// alone, the fuzz targets, and what loads acmedocs, while nothing else runs.
///
/// # Errors
///
/// The first step that fails.
pub(crate) fn run(extent: Extent) -> Result<(), Failure> {
    let started = Instant::now();
    Step::new("format", "cargo fmt --all --check").run()?;
    Step::new("lints", "cargo clippy --workspace --all-targets --all-features -- -D warnings")
        .run()?;
    let servers = Servers::prepare()?;
    let tests = Step::new("tests", "cargo test --workspace --all-features");
    let collector = servers.collector().map(|it| (Collector::VARIABLE, it.grpc()));
    tests.envs(servers.variables()).envs(collector).run()?;
    if let Some(collector) = servers.collector() {
        secrets::look_for(collector)?;
    }
    Step::new("documentation", "cargo doc --workspace --no-deps --all-features")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    if extent == Extent::Everything {
        // Everything is built anew for the flag, so not where the other steps build.
        Step::new(
            "interleavings",
            "cargo test -p tenantkit-limit --lib loom --target-dir target/loom",
        )
        .env("RUSTFLAGS", "--cfg tenantkit_loom")
        .run()?;
        for step in features::steps()? {
            step.run()?;
        }
        if Path::new("fuzz").exists() || tools::is_ci() {
            fuzz::briefly()?;
        }
        dependencies()?;
        Program::Demo.step("--once", &servers)?;
        if servers.has(K6) {
            Program::Isolation.step("--quick", &servers)?;
        }
    }
    say(&format!("all of it passed in {:.0} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Licences, bans and sources, where `cargo-deny` is there: it takes minutes to build.
fn dependencies() -> Result<(), Failure> {
    let there = Command::new("cargo").args(["deny", "--version"]).output()?;
    if there.status.success() {
        Step::new("dependencies", "cargo deny --all-features check licenses bans sources").run()
    } else {
        say("goes on without cargo-deny: cargo install cargo-deny");
        Ok(())
    }
}
