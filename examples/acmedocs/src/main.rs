//! Runs both services of acmedocs in one process: `acmedocs [CONFIG]`, by default `acmedocs.toml`.

use std::{error::Error, pin::pin, process::ExitCode};

use acmedocs::{Config, start};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("acmedocs: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "acmedocs.toml".into());
    let config = Config::load(&file)?;
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
        started = start(&config) => started?,
        () = &mut stop => return Ok(()),
    };
    eprintln!("acmedocs: edge on http://{}", started.edge);
    eprintln!("acmedocs: documents on http://{}", started.documents);
    tokio::select! {
        () = stop => {}
        ended = started.ended() => ended?,
    }
    Ok(started.stop().await?)
}
