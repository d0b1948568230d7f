//! The document of limits: refused at the start with the key, the line and the reason, and refused in
//! the same words while running, where the last good one stays in force.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use acmedocs::{Config, start};
use demo::{Acmedocs, Edge, World, issuer};
use hyper::Method;

/// What users copy.
const EXAMPLE: &str = include_str!("../../limits.toml");
const BRONZE: &str =
    "bronze = { rate = { per_minute = { count = 60, burst = 5 } }, in_flight = 1 }";

/// The example with one thing in it changed.
fn changed(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "{from}");
    EXAMPLE.replacen(from, to, 1)
}

/// In which line of the example something stands.
fn line_of(text: &str) -> usize {
    let at = EXAMPLE.find(text).unwrap();
    EXAMPLE[..at].lines().count() + 1
}

/// What `start` says to a world's configuration with limits.
async fn said(world: &World, document: &Path, change: impl FnOnce(&mut Config)) -> Option<String> {
    let file = world.folder().join("acmedocs.toml");
    let mut config = Config::load(&file.to_string_lossy()).unwrap();
    config.edge.listen.set_port(0);
    config.documents.listen.set_port(0);
    config.limits = Some(document.to_owned());
    change(&mut config);
    start(&config).await.err().map(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_a_mistake_does_not_start_and_is_told_with_its_line() {
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    let document = world.folder().join("limits.toml");
    let bronze = format!("line {}: ", line_of(BRONZE));
    let acme = format!("line {}: ", line_of("acme = { rate"));
    let mut wrong = Vec::new();
    for (from, to, promised) in [
        (BRONZE, BRONZE.replace("in_flight = 1", "in_flight = 0"), &[&*bronze, "from 1"][..]),
        (BRONZE, BRONZE.replace("60", "0"), &[&bronze, "zero"]),
        (BRONZE, BRONZE.replace("bronze", "wood"), &[&bronze, "wood"]),
        (BRONZE, BRONZE.replace("in_flight", "at_once"), &[&bronze, "at_once", "in_flight"]),
        (BRONZE, BRONZE.replace(", in_flight = 1", ""), &[&bronze, "in_flight is missing"]),
        (BRONZE, BRONZE.replace('{', "["), &[&bronze]),
        ("acme = { rate", "\"Acme!\" = { rate".to_owned(), &[&acme]),
        ("[resources.exports.tiers]", "[resources.imports.tiers]".to_owned(), &["exports"]),
        ("resources.calls.", "resources.pings.".to_owned(), &["calls, exports, reads, writes"]),
    ] {
        fs::write(&document, changed(from, &to)).unwrap();
        let said = said(&world, &document, |_| ()).await.expect("it does not start");
        let told = said.starts_with("limits: ") && promised.iter().all(|it| said.contains(it));
        if !told || said.contains("Acme!") {
            wrong.push(format!("{to}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    fs::write(&document, EXAMPLE).unwrap();
    assert_eq!(said(&world, &document, |_| ()).await, None);
    let nowhere = PathBuf::from("/nowhere/limits.toml");
    let said = said(&world, &nowhere, |_| ()).await.unwrap();
    assert!(said.starts_with("limits: cannot read /nowhere/limits.toml: "), "{said}");
}

/// acmedocs as a process, and what it says.
struct Process {
    child: Child,
    said: mpsc::Receiver<String>,
    edge: Edge,
}

impl Process {
    fn start(world: &World, document: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_acmedocs"))
            .arg(world.folder().join("acmedocs.toml"))
            .env("ACMEDOCS__LIMITS", document)
            .env("ACMEDOCS__EDGE__LISTEN", "127.0.0.1:0")
            .env("ACMEDOCS__DOCUMENTS__LISTEN", "127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, said) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|it| send.send(it)));
        let edge = until(&said, "edge on http://");
        let address = edge.rsplit_once("http://").unwrap().1.parse().unwrap();
        Self { child, said, edge: Edge::at(address) }
    }

    async fn exports(&self, world: &World) -> u16 {
        let bearer = format!("Bearer {}", world.idp.bearer("acme", "alice", issuer::now()));
        let headers = [("authorization", bearer.as_str())];
        let answer = self.edge.call(Method::POST, "/v1/exports", &headers, None).await.unwrap();
        answer.status.as_u16()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line that has this in it.
fn until(said: &mpsc::Receiver<String>, promised: &str) -> String {
    loop {
        let line = said.recv_timeout(Duration::from_secs(30)).expect(promised);
        if line.contains(promised) {
            return line;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_becomes_bad_is_told_on_stderr_and_the_last_good_one_stays_in_force() {
    // The edge of the process below calls the documents service of this world.
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    let document = world.folder().join("limits.toml");
    let acme = "acme = { rate = { per_second = 40 }, in_flight = 6 }";
    let one = "acme = { rate = { per_day = 1 }, in_flight = 6 }";
    let good = changed(acme, one);
    fs::write(&document, &good).unwrap();
    let acmedocs = Process::start(&world, &document);
    assert_eq!((acmedocs.exports(&world).await, acmedocs.exports(&world).await), (200, 429));

    let bad = good.replace(BRONZE, &BRONZE.replace("60", "0"));
    fs::write(&document, bad).unwrap();
    let told = until(&acmedocs.said, "limits: line ");
    assert!(told.contains(&format!("line {}: ", line_of(BRONZE))), "{told}");
    assert!(told.contains("zero") && told.contains("The limits stay as they were"), "{told}");
    assert_eq!(acmedocs.exports(&world).await, 429);

    fs::remove_file(&document).unwrap();
    until(&acmedocs.said, "limits: cannot read ");
    assert_eq!(acmedocs.exports(&world).await, 429);

    // And it is no end of changes.
    fs::write(&document, changed(acme, "acme = { rate = \"unlimited\", in_flight = 6 }")).unwrap();
    let better = async {
        while acmedocs.exports(&world).await != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), better).await.expect("never in force");
}
