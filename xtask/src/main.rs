//! The project's own commands: `cargo xtask demo` and `cargo xtask test`.

use std::{env, path::Path, process::ExitCode};

mod demo;
mod features;
mod fuzz;
mod servers;
mod step;
mod test;

use test::Extent;

const USAGE: &str = "\
cargo xtask demo [--once]    starts Postgres and acmedocs, drives acmedocs over the network as strangers
                             do, and stays up until Ctrl-C; with --once it ends after the story
cargo xtask test [--quick]   runs everything there is, on real servers; with --quick neither each feature
                             alone, nor fuzzing, nor the demonstration

Both take what DATABASE_URL (and for tests DATABASE_URL_18) names instead of starting a Postgres. With CI
set, what is missing is a failure; without, what needs it is skipped, and says so. Only cargo-deny, which
takes minutes to build, may be missing everywhere.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Cargo runs us where it was called; all that follows is said from the root.
    let root = env::var_os("CARGO_MANIFEST_DIR").map(|package| Path::new(&package).join(".."));
    if let Some(Err(error)) = root.map(env::set_current_dir) {
        eprintln!("xtask: {error}");
        return ExitCode::FAILURE;
    }
    let result = match arguments[..] {
        ["demo"] => demo::become_it(&[]),
        ["demo", "--once"] => demo::become_it(&["--once"]),
        ["test"] => test::run(Extent::Everything),
        ["test", "--quick"] => test::run(Extent::Quick),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// A step failed, and with it the command: there is nothing to do but to say it.
type Failure = Box<dyn std::error::Error>;
