//! The project's own commands: `cargo xtask demo`, `cargo xtask isolation` and `cargo xtask test`.

use std::{env, path::Path, process::ExitCode};

mod features;
mod fuzz;
mod load;
mod secrets;
mod servers;
mod step;
mod test;

use load::Program;
use test::Extent;

const USAGE: &str = "\
cargo xtask demo [--once] [--kafka]
                             starts Postgres and acmedocs, drives acmedocs over the network as strangers
                             do, lets two tenants load it, and stays up until Ctrl-C; with --once it
                             ends then; with --kafka it starts an Apache Kafka as well, instead of
                             librdkafka's mock cluster in its own process
cargo xtask isolation [--quick | --stage 1 | --stage 2]
                             a heavy and a light tenant on acmedocs, with and without limits: fails where
                             the light one was not left alone; takes 20 minutes, with --quick one
cargo xtask test [--quick]   runs everything there is, on real servers; with --quick neither each feature
                             alone, nor fuzzing, nor what loads acmedocs

All take what DATABASE_URL (and for tests DATABASE_URL_18) names instead of starting a Postgres, and what
KAFKA_BROKERS names instead of a Kafka; tests take what REDIS_URL names instead of a Redis. With CI
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
        ["demo", ref arguments @ ..] => Program::Demo.become_it(arguments),
        ["isolation", ref arguments @ ..] => Program::Isolation.become_it(arguments),
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
