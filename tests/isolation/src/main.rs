//! `cargo xtask isolation`: a heavy and a light tenant on acmedocs, with real tokens, on a real Postgres.
//! Fails where the light tenant was not left alone, and where it would have been without limits.

use std::{env, process::ExitCode, time::Duration};

use demo::Failed;
use tokio::signal::unix::{SignalKind, signal};

mod report;
mod runs;
mod stage;

use stage::{NothingSaid, Stage};

/// How it ends where the machine let nothing be measured.
const NOTHING_SAID: u8 = 3;

const USAGE: &str = "isolation [--quick | --stage 1 | --stage 2] [--seconds EACH_RUN]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(stages) = stages(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("isolation: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(until_told(stages));
    // Not waiting for k6, which ends when we do.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| {
        eprintln!("isolation: {error}");
        if error.is::<NothingSaid>() { ExitCode::from(NOTHING_SAID) } else { ExitCode::FAILURE }
    })
}

fn stages(arguments: &[&str]) -> Option<Vec<Stage>> {
    if let [which @ .., "--seconds", seconds] = arguments {
        let time = Duration::from_secs(seconds.parse().ok().filter(|seconds| *seconds > 0)?);
        return Some(stages(which)?.into_iter().map(|stage| Stage { time, ..stage }).collect());
    }
    match arguments {
        [] => Some(vec![Stage::ONE, Stage::TWO]),
        ["--quick"] => Some(vec![Stage::QUICK]),
        ["--stage", "1"] => Some(vec![Stage::ONE]),
        ["--stage", "2"] => Some(vec![Stage::TWO]),
        _ => None,
    }
}

async fn until_told(stages: Vec<Stage>) -> Result<ExitCode, Failed> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        held = stage::all(stages) => Ok(if held? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}
