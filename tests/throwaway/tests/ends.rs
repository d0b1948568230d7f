//! However the process that started a server ends, nothing is left.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use throwaway::{Postgres, PostgresVersion, tools};

/// A process that has started a Postgres, with that server's own process and folder.
struct Holder {
    process: Child,
    postmaster: PathBuf,
    folder: PathBuf,
}

impl Holder {
    async fn start() -> Self {
        // What a shell starts in the background has Ctrl-C ignored, and so has what that starts.
        let mut process = Command::new("env")
            .args(["--default-signal=INT", env!("CARGO_BIN_EXE_throwaway")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut url).unwrap();

        let mut connection = PgConnection::connect(url.trim()).await.unwrap();
        let data: PathBuf = sqlx::query_scalar::<_, String>("SHOW data_directory")
            .fetch_one(&mut connection)
            .await
            .unwrap()
            .into();
        let lock = fs::read_to_string(data.join("postmaster.pid")).unwrap();
        let holder = Self {
            process,
            postmaster: PathBuf::from("/proc").join(lock.lines().next().unwrap()),
            folder: data.parent().unwrap().to_owned(),
        };
        assert!(holder.postmaster.exists() && holder.folder.exists());
        holder
    }

    fn signal(&self, process: &str, signal: &str) {
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, process])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    fn leaves_nothing(mut self) {
        self.process.wait().unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        while self.postmaster.exists() || self.folder.exists() {
            assert!(
                Instant::now() < patience,
                "{:?} or {:?} is left",
                self.postmaster,
                self.folder
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

async fn a_holder_ended_by(signal: &str) {
    if tools::or_skip(Postgres::shared(PostgresVersion::System)).is_some() {
        let holder = Holder::start().await;
        holder.signal(&holder.process.id().to_string(), signal);
        holder.leaves_nothing();
    }
}

#[tokio::test]
async fn sigkill_leaves_no_process_and_no_folder() {
    a_holder_ended_by("KILL").await;
}

#[tokio::test]
async fn sigterm_leaves_no_process_and_no_folder() {
    a_holder_ended_by("TERM").await;
}

#[tokio::test]
async fn ctrl_c_leaves_no_process_and_no_folder() {
    a_holder_ended_by("INT").await;
}

#[tokio::test]
async fn a_hanging_server_is_gone_as_well() {
    if tools::or_skip(Postgres::shared(PostgresVersion::System)).is_some() {
        let holder = Holder::start().await;
        let postmaster = holder.postmaster.file_name().unwrap().to_str().unwrap();
        holder.signal(postmaster, "STOP");
        holder.signal(&holder.process.id().to_string(), "KILL");
        holder.leaves_nothing();
    }
}

#[tokio::test]
async fn a_server_does_not_outlive_the_shell_that_keeps_it() {
    if tools::or_skip(Postgres::shared(PostgresVersion::System)).is_some() {
        let mut holder = Holder::start().await;
        let status = fs::read_to_string(holder.postmaster.join("status")).unwrap();
        let keeper = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
        holder.signal(keeper.trim(), "KILL");
        let patience = Instant::now() + Duration::from_secs(20);
        while holder.postmaster.exists() {
            assert!(Instant::now() < patience, "{:?} is left", holder.postmaster);
            thread::sleep(Duration::from_millis(10));
        }
        // Nobody is left to remove the folder: this test does.
        fs::remove_dir_all(&holder.folder).unwrap();
        holder.process.kill().unwrap();
        holder.process.wait().unwrap();
    }
}

#[test]
fn a_leashed_command_ends_with_everything_that_it_started_when_the_leash_is_dropped() {
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 1000 & echo $!; wait"]);
    let mut child = throwaway::leash(&command).stdout(Stdio::piped()).spawn().unwrap();
    let mut sleeper = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut sleeper).unwrap();
    let sleeper = PathBuf::from("/proc").join(sleeper.trim());
    assert!(sleeper.exists());

    drop(child.stdin.take());
    child.wait().unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while sleeper.exists() {
        assert!(Instant::now() < patience, "{sleeper:?} is left");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_leashed_command_ends_by_itself_and_says_how() {
    let mut command = Command::new("sh");
    command.args(["-c", "exit \"$HOW\""]).env("HOW", "3");
    let status = throwaway::wait(&mut throwaway::leash(&command).spawn().unwrap()).unwrap();
    assert_eq!(status.code(), Some(3));
}
