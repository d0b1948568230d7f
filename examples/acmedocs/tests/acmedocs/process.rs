//! acmedocs as a process: how it ends.

use std::{
    env,
    io::{BufRead, BufReader, Write, stdout},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use acmedocs::proto::ExportRequest;
use demo::{Acmedocs, World, issuer};
use hyper::Method;
use tonic::Request;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_requests_under_way_finish() {
    let mut world = World::start(Acmedocs::Process).await.unwrap();
    world.link.set_delay(Duration::from_millis(150));
    let bearer = format!("Bearer {}", world.idp.bearer("acme", "alice", issuer::now()));
    let edge = world.edge.clone();
    let before = world.link.round_trips();
    let call = tokio::spawn(async move {
        let headers = [("authorization", bearer.as_str())];
        let body = Some(r#"{"title":"under way"}"#);
        edge.call(Method::POST, "/v1/documents", &headers, body).await.unwrap()
    });
    while world.link.round_trips() == before {
        assert!(!call.is_finished(), "it never reached the database");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let status = world.terminate().await.unwrap();
    let answer = call.await.unwrap();
    assert_eq!(answer.status, 201, "{answer}");
    assert_eq!(status.code(), Some(0));
    assert!(world.edge.call(Method::GET, "/healthz", &[], None).await.is_err(), "still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_does_not_wait_for_ever_for_a_caller_who_does_not_read() {
    let mut world = World::start(Acmedocs::Process).await.unwrap();
    let many = "INSERT INTO documents (tenant_id, title, body)
        SELECT 'acme', 'large', repeat('x', 10000) FROM generate_series(1, 2000)";
    world.database.execute(many).unwrap();
    let token = world.services.txn_token("acme", "alice", issuer::now());
    let mut request = Request::new(ExportRequest {});
    request.metadata_mut().insert("txn-token", token.parse().unwrap());
    let unread = world.documents().await.unwrap().export(request).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), world.terminate());
    assert_eq!(ended.await.unwrap().unwrap().code(), Some(0));
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_leaves_no_process_and_no_folder() {
    let world = Arc::new(World::start(Acmedocs::Process).await.unwrap());
    let process = format!("/proc/{}", world.process_id().unwrap());
    let folder = world.folder().to_owned();
    assert!(Path::new(&process).exists() && folder.exists());
    drop(world);
    assert!(!folder.exists(), "{} is left", folder.display());
    // Killed; whoever waits for children gets to it.
    is_gone(&process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_whose_process_is_killed_leaves_no_process_and_no_folder_either() {
    let mut holder = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "acmedocs::process::holds_a_world", "--nocapture"])
        .env(HOLD.trim_end_matches('='), "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut held = lines.filter_map(|line| Some(line.strip_prefix(HOLD)?.to_owned()));
    let (process, folder) = (held.next().unwrap(), held.next().unwrap());
    assert!(Path::new(&process).exists() && Path::new(&folder).exists());
    // SIGKILL: nothing of the holder's own runs after it.
    holder.kill().unwrap();
    holder.wait().unwrap();
    is_gone(&process).await;
    is_gone(&folder).await;
}

/// What the holder is told by, and what its lines begin with.
const HOLD: &str = "ACMEDOCS_TESTS_HOLD=";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process for the test above to kill"]
async fn holds_a_world() {
    if env::var_os(HOLD.trim_end_matches('=')).is_none() {
        return;
    }
    let world = World::start(Acmedocs::Process).await.unwrap();
    let mut out = stdout();
    writeln!(out, "\n{HOLD}/proc/{}", world.process_id().unwrap()).unwrap();
    writeln!(out, "{HOLD}{}", world.folder().display()).unwrap();
    out.flush().unwrap();
    std::future::pending::<()>().await;
}

async fn is_gone(path: &str) {
    let gone = async {
        while Path::new(path).exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Longer than acmedocs takes its time to end when it is asked to.
    assert!(tokio::time::timeout(Duration::from_secs(20), gone).await.is_ok(), "{path} is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_also_while_it_waits_for_a_database_that_does_not_answer() {
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://owner@{}/none", silent.local_addr().unwrap());
    let mut process = Command::new(env!("CARGO_BIN_EXE_acmedocs"))
        .arg(world.folder().join("acmedocs.toml"))
        .env("ACMEDOCS__DOCUMENTS__OWNER_URL", url)
        .env("ACMEDOCS__EDGE__LISTEN", "127.0.0.1:0")
        .env("ACMEDOCS__DOCUMENTS__LISTEN", "127.0.0.1:0")
        .spawn()
        .unwrap();
    let _connection = silent.accept().unwrap();
    let id = process.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || process.wait());
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    assert_eq!(ended.unwrap().unwrap().unwrap().code(), Some(0));
}
