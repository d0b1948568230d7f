//! The small shell beside each server that outlives us just long enough to clean up.
//!
//! `PR_SET_PDEATHSIG` set by ourselves would need `unsafe`, would kill no grandchild and would delete
//! no folder. A pipe does all three: the kernel closes it when we die, whatever we die of, and the
//! shell at its other end then stops the server and removes the folder. `setpriv --pdeathsig` makes
//! the server follow the shell should that be killed itself.

use std::{
    ffi::OsStr,
    fmt, fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{Error, port, tools::missing};

/// How long a server may take to answer. It takes 0.1 s; the rest is for a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// One server and its folder, and the shell that ends both when this is dropped or we die.
pub(crate) struct Keeper {
    folder: PathBuf,
    shell: Mutex<Shell>,
}

struct Shell {
    process: Child,
    /// Gone once we have let go of the shell.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    /// Makes the folder. `script` is a shell script that gets `arguments`, and then what
    /// [`run`](Self::run) is given or `serve PORT`; it runs in the folder, never as root, and
    /// `signal` ends it.
    pub(crate) fn new(signal: &str, script: &str, arguments: &[&OsStr]) -> Result<Self, Error> {
        let account = Account::unprivileged()?;
        let owner = account.as_ref().map_or_else(String::new, Account::owner);
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", signal]);
        if let Some(Account { user, group }) = account {
            command.args(["--reuid", &user, "--regid", &group, "--clear-groups", "--reset-env"]);
        }
        command.args(["sh", "-c", script, "throwaway-server"]).args(arguments);
        Self::start(&owner, signal, &command)
    }

    /// Makes a folder that is ours, and keeps nothing in it.
    pub(crate) fn of_folder() -> Result<Self, Error> {
        Self::start("", "TERM", &Command::new("false"))
    }

    fn start(owner: &str, signal: &str, server: &Command) -> Result<Self, Error> {
        let mut process = Command::new("sh")
            .args(["-c", include_str!("keeper/keeper.sh"), "throwaway-keeper", owner, signal])
            .arg(server.get_program())
            .args(server.get_args())
            // Ctrl-C in a terminal reaches every process of the group: not this one, which has
            // work to do when it happens.
            .process_group(0)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::io("start a shell"))?;
        let orders = process.stdin.take();
        let answers = process.stdout.take().expect("standard output is piped");
        let mut shell = Shell { process, orders, answers: BufReader::new(answers) };
        let folder = shell.answer()?.into();
        Ok(Self { folder, shell: Mutex::new(shell) })
    }

    /// Runs the script to its end.
    pub(crate) fn run(&self, arguments: &str) -> Result<bool, Error> {
        Ok(self.order(&format!("run {arguments}"))? == "0")
    }

    /// Starts the script as a server that listens on `port`, and waits until it is `ready`.
    pub(crate) fn serve(
        &self,
        server: &'static str,
        port: u16,
        ready: impl Fn(u16) -> bool,
    ) -> Result<(), Error> {
        let process = Process(self.order(&format!("start serve {port}"))?);
        let started = Instant::now();
        while process.is_running() && started.elapsed() < PATIENCE {
            if ready(port) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let failure = self.not_started(server);
        self.stop()?;
        Err(failure)
    }

    /// [Serves](Self::serve) on a port that is free, and says which.
    pub(crate) fn serve_anywhere(
        &self,
        server: &'static str,
        ready: impl Fn(u16) -> bool,
    ) -> Result<u16, Error> {
        loop {
            let port = port::free_port();
            match self.serve(server, port, &ready) {
                // Another process took the port since we looked.
                Err(Error::NotStarted { log, .. }) if log.contains("Address already in use") => {}
                served => return served.map(|()| port),
            }
        }
    }

    /// Stops the server and waits for its end; the folder stays.
    pub(crate) fn stop(&self) -> Result<(), Error> {
        self.order("stop").map(drop)
    }

    /// Stops the server and its children from running, as a machine does that starves them.
    pub(crate) fn pause(&self) -> Result<(), Error> {
        self.order("pause").map(drop)
    }

    /// Lets them run again.
    pub(crate) fn resume(&self) -> Result<(), Error> {
        self.order("resume").map(drop)
    }

    /// Where the server runs.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The error that has the last lines that the server and the shell wrote.
    pub(crate) fn not_started(&self, server: &'static str) -> Error {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        Error::NotStarted { server, log: lines[lines.len().saturating_sub(20)..].join("\n") }
    }

    fn order(&self, order: &str) -> Result<String, Error> {
        let mut shell = self.shell();
        if let Some(orders) = &mut shell.orders {
            writeln!(orders, "{order}").map_err(Error::io(format!("order `{order}`")))?;
        }
        shell.answer()
    }

    fn shell(&self) -> MutexGuard<'_, Shell> {
        self.shell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shell {
    fn answer(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(error),
        }
        .map_err(Error::io("keep a server: its shell ended"))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut shell = self.shell();
        shell.orders = None;
        // Waits until the folder is gone. An error means that the shell is gone as well.
        let _ = shell.process.wait();
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The process of a server, by its number.
struct Process(String);

impl Process {
    /// Whether it still runs; a zombie does not.
    fn is_running(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", self.0))
            // The name in parentheses may hold anything, so the state is what follows the last one.
            .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or("Z").starts_with('Z'))
    }
}

/// Whether we are root, whom Postgres and PgBouncer refuse to run as.
pub(crate) fn is_root() -> Result<bool, Error> {
    let us = fs::metadata("/proc/self").map_err(Error::io("read /proc"))?;
    Ok(us.uid() == 0)
}

/// Who servers run as when we are root.
struct Account {
    user: String,
    group: String,
}

impl Account {
    /// `None` when we are not root ourselves.
    fn unprivileged() -> Result<Option<Self>, Error> {
        if !is_root()? {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").map_err(Error::io("read /etc/passwd"))?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| {
                let mut fields = accounts
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?
                    .split(':')
                    .skip(1);
                Some(Self { user: fields.next()?.to_owned(), group: fields.next()?.to_owned() })
            })
            .map(Some)
            .ok_or_else(|| {
                missing(
                    "an account that is not root",
                    "make one named `postgres`, or run this as a user",
                )
            })
    }

    fn owner(&self) -> String {
        format!("{}:{}", self.user, self.group)
    }
}
