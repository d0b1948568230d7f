//! Search follows the documents, by way of Kafka: told line by line, and one screen of what a tenant feels
//! while another one's changes pile up.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use hyper::{Method, StatusCode};
use load::Percentiles;
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};
use tokio::process::Command;

use crate::{
    Failed, Teller, World, issuer,
    kafka::Kafka,
    rivals::{HEAVY, LIGHT},
};

/// What the heavy tenant writes at once, and with how many clients.
const WRITES: usize = 400;
const CLIENTS: usize = 12;
/// How slow the way to the database is meanwhile, so that there is a backlog on any machine.
const SLOW: Duration = Duration::from_millis(5);
/// How often the light tenant writes beside it.
const EVERY: Duration = Duration::from_millis(250);
/// How long anything may take to be found.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells everything.
///
/// # Errors
///
/// When nothing comes back at all, or the world has no Kafka.
pub async fn tell(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    let kafka = world.kafka.as_ref().ok_or("this world has no Kafka")?;
    what_is_written_is_found(world, teller).await?;
    a_change_without_proof(world, kafka, teller).await?;
    a_backlog(world, kafka, teller).await?;
    poison(world, kafka, teller).await
}

async fn what_is_written_is_found(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    teller.chapter("Search follows the documents, by way of Kafka");
    let written = write(world, HEAVY, "Zeppelin plans").await?;
    teller.line(&format!("{HEAVY} writes a document"), written, written == StatusCode::CREATED);
    let took = found(world, HEAVY, "zeppelin").await?;
    let came_back =
        took.map_or("never".to_owned(), |took| format!("after {} ms", took.as_millis()));
    teller.line(
        &format!("{HEAVY} searches for a word of it, and finds it"),
        came_back,
        took.is_some(),
    );
    let seen = search(world, LIGHT, "zeppelin").await?;
    let as_promised = !seen.contains("Zeppelin");
    teller.line(&format!("{LIGHT} searches for it"), seen, as_promised);
    Ok(())
}

async fn a_change_without_proof(
    world: &World,
    kafka: &Kafka,
    teller: &mut Teller,
) -> Result<(), Failed> {
    let planted = json!({
        "change": "written", "id": "00000000-0000-4000-8000-000000000001", "version": 1,
        "title": "Planted", "body": "",
    });
    kafka.forge(LIGHT, planted.to_string()).await?;
    let (letter, _) = kafka.dead_letter("not-admitted").await?;
    let as_promised = letter.tenant.is_none() && letter.attempts == 0;
    let came_back = format!("a dead letter: {} ({})", letter.code, letter.reason);
    let done = format!("somebody writes a change of {LIGHT}'s to the topic, without an envelope");
    teller.line(&done, came_back, as_promised);
    let seen = search(world, LIGHT, "planted").await?;
    let as_promised = !seen.contains("Planted");
    teller.line(&format!("{LIGHT} searches for it"), seen, as_promised);
    Ok(())
}

async fn a_backlog(world: &World, kafka: &Kafka, teller: &mut Teller) -> Result<(), Failed> {
    println!("\n  {HEAVY} writes {WRITES} documents at once, {LIGHT} one now and then:\n");
    world.link.set_delay(SLOW);
    let outcome = tokio::try_join!(heavy(world), light(world));
    world.link.set_delay(Duration::ZERO);
    let (last, Felt { most, found }) = outcome?;
    println!();
    let done = format!("changes of {HEAVY}'s that waited in {}, at most", kafka.topic);
    teller.line(&done, most, most > 0);
    let done = format!("{HEAVY}'s last document is found");
    teller.line(&done, format!("after {:.1} s", last.as_secs_f64()), true);
    let (p50, worst) = (found.at(50.0), found.at(100.0));
    let as_promised = worst < last.as_secs_f64() * 1000.0 / 2.0;
    let done = format!("{LIGHT}'s documents are found, and do not wait behind them");
    teller.line(&done, format!("after p50 {p50:.0} ms, at worst {worst:.0} ms"), as_promised);
    Ok(())
}

/// Writes everything at once. Gives how long the last of it takes to be found.
async fn heavy(world: &World) -> Result<Duration, Failed> {
    let writing = (0..CLIENTS).map(|client| async move {
        for at in (client..WRITES).step_by(CLIENTS) {
            let status = write(world, HEAVY, &format!("Import {at}")).await?;
            if status != StatusCode::CREATED {
                return Err(Failed::from(format!("{HEAVY} could not write: {status}")));
            }
        }
        Ok(())
    });
    futures_util::future::try_join_all(writing).await?;
    write(world, HEAVY, "Importlast").await?;
    Ok(found(world, HEAVY, "importlast").await?.unwrap_or(PATIENCE))
}

struct Felt {
    /// The longest backlog of the other tenant.
    most: i64,
    /// How long each document took to be found, in milliseconds.
    found: Percentiles,
}

/// Writes now and then, until the other tenant's backlog is over, and draws what both feel.
async fn light(world: &World) -> Result<Felt, Failed> {
    let mut admin = PgConnection::connect(&world.database.admin_url()).await?;
    let (start, mut most, mut times) = (Instant::now(), 0, Vec::new());
    for at in 0.. {
        let began = Instant::now();
        let word = format!("note{at}");
        write(world, LIGHT, &word).await?;
        let took = found(world, LIGHT, &word).await?.unwrap_or(PATIENCE);
        times.push(took.as_secs_f64() * 1000.0);
        let waiting = backlog(&mut admin, HEAVY).await?;
        most = most.max(waiting);
        let bar = "█".repeat(usize::try_from(waiting).unwrap_or_default() / 10);
        let ms = took.as_millis();
        println!(
            "    {LIGHT}'s note is found after {ms:4} ms    {waiting:4} of {HEAVY}'s wait {bar}"
        );
        if waiting == 0 && most > 0 || start.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(EVERY.saturating_sub(began.elapsed())).await;
    }
    Ok(Felt { most, found: times.into_iter().collect() })
}

async fn poison(world: &World, kafka: &Kafka, teller: &mut Teller) -> Result<(), Failed> {
    let wrong = "ALTER TABLE search ADD CONSTRAINT wrong CHECK (title IS DISTINCT FROM 'Poison')";
    world.database.execute(wrong)?;
    let written = write(world, HEAVY, "Poison").await?;
    let done =
        "a migration goes wrong: the search takes no document of a certain title, and one comes";
    teller.line(done, written, written == StatusCode::CREATED);

    let (letter, offset) = kafka.dead_letter("handler-failed").await?;
    let tenant = letter.tenant.map_or("nobody".to_owned(), |tenant| tenant.to_string());
    let came_back = format!(
        "{} at offset {offset}: {tenant}'s, from {} partition {} offset {}: {} ({}) after {} attempts",
        kafka.dead_letter_topic,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.code,
        letter.reason,
        letter.attempts,
    );
    let as_promised = tenant == HEAVY && letter.attempts > 0;
    teller.line("its change is a dead letter, and holds nobody up", came_back, as_promised);

    world.database.execute("ALTER TABLE search DROP CONSTRAINT wrong")?;
    let command = world.replay_command()?;
    println!(
        "\n  The migration is mended. This sends the change back, once or again:\n\n{command}\n"
    );
    let ran = Command::new("sh").arg("-c").arg(&command).stderr(Stdio::inherit()).output().await?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let as_promised = ran.status.success() && said.contains("1 went back");
    teller.line("the command is run", said, as_promised);
    let took = found(world, HEAVY, "poison").await?;
    let came_back =
        took.map_or("never".to_owned(), |took| format!("after {} ms", took.as_millis()));
    teller.line("the document is found", came_back, took.is_some());
    Ok(())
}

/// Writes a document.
///
/// # Errors
///
/// When nothing comes back.
pub async fn write(world: &World, tenant: &str, title: &str) -> Result<StatusCode, Failed> {
    let body = json!({ "title": title }).to_string();
    let bearer = bearer(world, tenant);
    let headers = [("authorization", bearer.as_str())];
    let answer = world.edge.call(Method::POST, "/v1/documents", &headers, Some(&body)).await?;
    Ok(answer.status)
}

/// What a search answers.
///
/// # Errors
///
/// When nothing comes back.
pub async fn search(world: &World, tenant: &str, word: &str) -> Result<String, Failed> {
    let (path, bearer) = (format!("/v1/search?q={word}"), bearer(world, tenant));
    let headers = [("authorization", bearer.as_str())];
    Ok(world.edge.call(Method::GET, &path, &headers, None).await?.to_string())
}

/// How long it takes until a search for a word finds something; `None` when it does not.
///
/// # Errors
///
/// When nothing comes back.
pub async fn found(world: &World, tenant: &str, word: &str) -> Result<Option<Duration>, Failed> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if search(world, tenant, word).await?.contains("\"id\"") {
            return Ok(Some(began.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(None)
}

fn bearer(world: &World, tenant: &str) -> String {
    format!("Bearer {}", world.idp.bearer(tenant, "alice", issuer::now()))
}

/// How many documents of a tenant are not found yet as they are.
///
/// # Errors
///
/// When the database does not answer.
pub async fn backlog(admin: &mut PgConnection, tenant: &str) -> Result<i64, Failed> {
    let sql = "SELECT count(*) FROM documents d WHERE tenant_id = $1 AND NOT EXISTS (
        SELECT FROM search s
        WHERE s.tenant_id = d.tenant_id AND s.id = d.id AND s.version >= d.version)";
    Ok(sqlx::query(sql).bind(tenant).fetch_one(admin).await?.get(0))
}
