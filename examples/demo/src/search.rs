//! Search follows the documents, by way of Kafka: told line by line, and one screen of what a tenant feels
//! while another one's changes pile up.

use std::{
    fmt,
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
const EVERY: Duration = Duration::from_millis(500);
/// How many documents it writes before, when it is alone.
const ALONE: usize = 5;
/// How long anything may take to be found.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a search answers that finds nothing.
pub const NOTHING: &str = r#"200 {"documents":[]}"#;

/// Tells everything.
///
/// # Errors
///
/// When nothing comes back at all, or the world has no Kafka.
pub async fn tell(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    let kafka = world.kafka.as_ref().ok_or("this world has no Kafka")?;
    what_is_written_is_found(world, kafka, teller).await?;
    a_change_without_proof(world, kafka, teller).await?;
    one_screen(world, kafka, teller).await
}

/// What an operator asks first: whose backlog it is, who feels it, what was given up, and how it comes back.
async fn one_screen(world: &World, kafka: &Kafka, teller: &mut Teller) -> Result<(), Failed> {
    teller.chapter("One tenant's backlog is its own, and what cannot be indexed is kept");
    a_backlog(world, teller).await?;
    poison(world, kafka, teller).await
}

async fn what_is_written_is_found(
    world: &World,
    kafka: &Kafka,
    teller: &mut Teller,
) -> Result<(), Failed> {
    teller.chapter("Search follows the documents, by way of Kafka");
    println!("  {kafka}");
    write(world, HEAVY, "First").await?;
    let took = found(world, HEAVY, "first").await?;
    let done = "the indexer is there, and has indexed what was written so far";
    teller.line(done, After(took), took.is_some());

    let written = write(world, HEAVY, "Zeppelin plans").await?;
    teller.line(&format!("{HEAVY} writes a document"), written, written == StatusCode::CREATED);
    let took = found(world, HEAVY, "zeppelin").await?;
    let done = format!("{HEAVY} searches for a word of it, and finds it");
    teller.line(&done, After(took), took.is_some());
    let seen = search(world, LIGHT, "zeppelin").await?;
    let as_promised = seen == NOTHING;
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
    let as_promised = seen == NOTHING;
    teller.line(&format!("{LIGHT} searches for it"), seen, as_promised);
    Ok(())
}

async fn a_backlog(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    world.link.set_delay(SLOW);
    let outcome = async {
        let alone = alone(world).await?;
        println!("  {HEAVY} writes {WRITES} documents at once, {LIGHT} one now and then:\n");
        let (last, felt) = tokio::try_join!(heavy(world), light(world))?;
        Ok::<_, Failed>((alone, last, felt))
    };
    let outcome = outcome.await;
    world.link.set_delay(Duration::ZERO);
    let (alone, last, Felt { most, found }) = outcome?;
    println!();
    let done = format!("changes of {HEAVY}'s that were not indexed yet, at most");
    teller.line(&done, most, most > 0);
    teller.line(&format!("{HEAVY}'s last document is found"), After(last), last.is_some());
    let last = last.unwrap_or_default().as_secs_f64() * 1000.0;
    let as_promised = found.at(100.0) < last / 2.0;
    let times =
        |of: &Percentiles| format!("after {:.0} ms, at worst {:.0} ms", of.at(50.0), of.at(100.0));
    let came_back = format!("{} (when it was alone: {})", times(&found), times(&alone));
    let done = format!("{LIGHT}'s documents are found meanwhile, and do not wait behind them");
    teller.line(&done, came_back, as_promised);
    Ok(())
}

/// Writes when nobody else does. Gives how long each document took to be found, in milliseconds.
async fn alone(world: &World) -> Result<Percentiles, Failed> {
    let mut times = Vec::new();
    for at in 0..ALONE {
        let word = format!("alone{at}");
        write(world, LIGHT, &word).await?;
        times.push(millis(found(world, LIGHT, &word).await?));
    }
    Ok(times.into_iter().collect())
}

/// Writes everything at once. Gives how long the last of it takes to be found.
async fn heavy(world: &World) -> Result<Option<Duration>, Failed> {
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
    found(world, HEAVY, "importlast").await
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
        let ms = millis(found(world, LIGHT, &word).await?);
        times.push(ms);
        let waiting = backlog(&mut admin, HEAVY).await?;
        most = most.max(waiting);
        let bar = "█".repeat(usize::try_from(waiting).unwrap_or_default() / 10);
        println!("    {LIGHT}'s is found after {ms:4.0} ms    {waiting:4} of {HEAVY}'s wait {bar}");
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
    write(world, HEAVY, "Behindit").await?;
    write(world, LIGHT, "Besideit").await?;
    let (behind, beside) =
        tokio::try_join!(found(world, HEAVY, "behindit"), found(world, LIGHT, "besideit"))?;
    let done = format!("it holds up neither what {HEAVY} writes next nor {LIGHT}");
    let as_promised = behind.is_some() && beside.is_some();
    teller.line(&done, format!("found {} and {}", After(behind), After(beside)), as_promised);

    let (letter, offset) = kafka.dead_letter("handler-failed").await?;
    let tenant = letter.tenant.map_or("nobody".to_owned(), |tenant| tenant.to_string());
    let came_back = format!(
        "{tenant}'s, offset {} of partition {}: {} after {} attempts ({})",
        letter.offset, letter.partition, letter.reason, letter.attempts, letter.code,
    );
    let as_promised = tenant == HEAVY && letter.attempts > 0;
    let done = format!("its change is in {}, at offset {offset}", kafka.dead_letter_topic);
    teller.line(&done, came_back, as_promised);

    world.database.execute("ALTER TABLE search DROP CONSTRAINT wrong")?;
    let command = world.replay_command()?;
    println!(
        "\n  The migration is mended. This sends the change back, once or again:\n\n{command}\n"
    );
    let ran = Command::new("sh").arg("-c").arg(&command).stderr(Stdio::inherit()).output().await?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let as_promised = ran.status.success() && said.contains(" 1 went back");
    teller.line("the command is run", said, as_promised);
    let took = found(world, HEAVY, "poison").await?;
    teller.line("the document is found", After(took), took.is_some());
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

/// How long it took, where it came at all.
struct After(Option<Duration>);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(took) if took < Duration::from_secs(10) => {
                write!(f, "after {} ms", took.as_millis())
            }
            Some(took) => write!(f, "after {:.1} s", took.as_secs_f64()),
            None => f.write_str("never"),
        }
    }
}

/// In milliseconds. What never came has taken as long as it was waited for.
fn millis(took: Option<Duration>) -> f64 {
    took.unwrap_or(PATIENCE).as_secs_f64() * 1000.0
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
