//! Runs both services of acmedocs in one process: `acmedocs [CONFIG]`, by default `acmedocs.toml`.
//! `acmedocs replay` sends changes that could not be indexed back to the indexer.

use std::{error::Error, pin::pin, process::ExitCode};

use acmedocs::{
    Config,
    replay::{self, Asked, replay},
    start_with,
    telemetry::{Exports, subscribe},
};
use tokio::signal::unix::{SignalKind, signal};

/// A request is many small allocations, made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("acmedocs: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq("replay").is_some() {
        return send_back(arguments).await;
    }
    let file = arguments.next().unwrap_or_else(|| "acmedocs.toml".into());
    let config = Config::load(&file)?;
    let exports = Exports::of(&config)?;
    subscribe(exports.as_ref());
    let done = serve(&config, exports.as_ref()).await;
    if let Some(exports) = exports {
        // It waits for the collector.
        tokio::task::spawn_blocking(move || exports.stop()).await?;
    }
    done
}

async fn serve(config: &Config, exports: Option<&Exports>) -> Result<(), Box<dyn Error>> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);

    let mut stop = pin!(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });

    // Starting waits for the database, which may not answer.
    let mut started = tokio::select! {
        started = start_with(config, exports) => started?,
        () = &mut stop => return Ok(()),
    };
    eprintln!("acmedocs: edge on http://{}", started.edge);
    eprintln!("acmedocs: documents on http://{}", started.documents);
    if let Some(page) = started.page {
        eprintln!("acmedocs: telemetry on http://{page}");
    }
    tokio::select! {
        () = stop => {}
        ended = started.ended() => ended?,
    }
    Ok(started.stop().await?)
}

async fn send_back(mut arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let config = Config::load(&arguments.next().ok_or(replay::Error::Usage)?)?;
    subscribe(None);
    let done = replay(&config, Asked::parse(arguments)?).await?;
    println!("of {} dead letters {} went back", done.read, done.replayed);
    println!(
        "{} were not asked for, {} do not verify, {} are cut",
        done.others, done.refused, done.cut
    );
    Ok(())
}
