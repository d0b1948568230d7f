//! Each fuzz target, built and run briefly.
//!
//! What `cargo fuzz` adds for code with `unsafe`, the sanitizers, needs nightly; what steers the fuzzer,
//! coverage, does not. So this builds `fuzz/` with the stable compiler and the flags that `cargo fuzz`
//! passes for coverage, and works wherever the crates build. `cargo +nightly fuzz run TARGET` works
//! too, for longer runs.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{Failure, step::Step};

/// How long each target runs.
const SECONDS: u32 = 5;

const COVERAGE: &str = "\
-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
-Ccodegen-units=1 --cfg fuzzing";

/// Builds all targets and runs one after the other.
///
/// # Errors
///
/// When one does not build, or finds an input that its parser does not survive.
pub(crate) fn briefly() -> Result<(), Failure> {
    let triple = host()?;
    Step::new(
        "fuzz targets",
        &format!("cargo build --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target {triple}"),
    )
    .envs([
        // With `--target`, these reach the crates and not their build scripts.
        ("RUSTFLAGS", COVERAGE),
        ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
        ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
    ])
    .run()?;
    for target in targets()? {
        let corpus = format!("fuzz/corpus/{target}");
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all("fuzz/artifacts")?;
        let seeds = Some(format!("fuzz/seeds/{target}")).filter(|seeds| Path::new(seeds).exists());
        Step::new(
            format!("fuzz {target}"),
            &format!(
                "target/fuzz/{triple}/release/{target} -max_total_time={SECONDS} -timeout=10 -verbosity=0 -print_funcs=0 \
                 -print_final_stats=1 -artifact_prefix=fuzz/artifacts/{target}- {corpus} {}",
                seeds.unwrap_or_default()
            ),
        )
        .run()?;
    }
    Ok(())
}

fn targets() -> Result<Vec<String>, Failure> {
    let metadata = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .args(["--manifest-path", "fuzz/Cargo.toml"])
        .output()?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let targets = metadata["packages"][0]["targets"].as_array();
    let targets = targets.ok_or("fuzz/Cargo.toml lists no targets")?;
    let binaries = targets.iter().filter(|target| target["kind"][0] == "bin");
    Ok(binaries.filter_map(|target| Some(target["name"].as_str()?.to_owned())).collect())
}

/// The triple that `rustc` builds for by itself.
fn host() -> Result<String, Failure> {
    let said = Command::new("rustc").arg("-vV").output()?;
    let said = String::from_utf8(said.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}
