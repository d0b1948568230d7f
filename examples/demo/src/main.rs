//! `cargo xtask demo`: starts a throwaway Postgres and acmedocs, and drives acmedocs over the network
//! as strangers do, told as a story. Its search follows by way of Kafka: librdkafka's mock cluster in this
//! process, the brokers that `KAFKA_BROKERS` names, or with `--kafka` an Apache Kafka that is started. Then
//! two tenants load it, without limits and with them; and it shows what acmedocs tells of itself, or where that
//! went, with the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names. It stays up until Ctrl-C, with lines to paste; with
//! `--once` it ends, and fails when a line was not as promised.

use std::process::ExitCode;

use demo::{
    Acmedocs, Failed, Setup, Teller, World, kafka::Brokers, search, show, story, telemetry,
};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let (mut once, mut brokers) = (false, Brokers::Embedded);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--once" => once = true,
            "--kafka" => brokers = Brokers::Started,
            _ => {
                eprintln!("demo [--once] [--kafka]");
                return ExitCode::from(2);
            }
        }
    }
    match run(once, brokers).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(once: bool, brokers: Brokers) -> Result<ExitCode, Failed> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let told = async {
        println!("Starting Postgres, or using the one that DATABASE_URL names, and acmedocs ...");
        // To a file: an overload without limits has a lot to say.
        let setup = Setup::default().log("error").kafka(brokers).telemetry(&telemetry::lines());
        let mut world = World::of(setup, Acmedocs::Process).await?;
        let mut teller = Teller::default();
        story::tell(&world, &mut teller).await?;
        search::tell(&world, &mut teller).await?;
        let page = show::show(&mut world, &mut teller).await?;
        telemetry::tell(&world, &mut teller).await?;
        println!("\n  The plots: {}", page.display());
        let (told, broken) = teller.end();
        println!("\n{told} lines told, {broken} not as promised.");
        if !once {
            world.invite();
            std::future::pending::<()>().await;
        }
        Ok::<_, Failed>(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    };
    tokio::select! {
        told = told => told,
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}
