//! Tools that this machine may lack, found or installed, each saying on standard error what it does.
//!
//! What is fetched goes into a cache below `target/`, except for Debian's packages, which `apt-get`
//! installs where it installs everything; that needs root and is tried only then.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Error, keeper, leash::leash};

/// Goes on without what is missing, saying so, unless `CI` is set: there nothing may be missing.
///
/// ```
/// # use throwaway::tools;
/// # fn a_foreign_client_sees_the_refusal() {
/// let Some(grpcurl) = tools::or_skip(tools::grpcurl()) else { return };
/// # }
/// ```
///
/// # Panics
///
/// With `CI` set, and on every error that is not [`Error::Missing`].
#[must_use]
pub fn or_skip<T>(found: Result<T, Error>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(missing @ Error::Missing { .. }) if !is_ci() => {
            say(&format!("skipped: {missing}"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether a missing server or tool is a failure: the variable `CI` is set.
#[must_use]
pub fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| !ci.is_empty())
}

/// `program`, after installing Debian's `package` where it was not there.
///
/// # Errors
///
/// [`Error::Missing`] when it is not there and we are not root, or there is no `apt-get`;
/// [`Error::Failed`] when the installation failed.
pub fn apt(package: &str, program: &str) -> Result<PathBuf, Error> {
    let installed = || on_path(program).or_else(|| existing(format!("/usr/sbin/{program}").into()));
    if let Some(found) = installed() {
        return Ok(found);
    }
    apt_install(package)?;
    installed().ok_or_else(|| missing(program, &format!("the package {package} has none")))
}

pub(crate) fn apt_install(package: &str) -> Result<(), Error> {
    if !keeper::is_root()? || on_path("apt-get").is_none() {
        return Err(missing(package, &format!("sudo apt-get install {package}")));
    }
    let _lock = lock("apt")?;
    say(&format!("apt-get install {package}"));
    let mut install = Command::new("sh");
    install.args(["-ec", include_str!("tools/apt-install.sh"), "apt-install", package]);
    // Not ended half-way when we are: the system's package database would be left broken.
    finish(format!("apt-get install {package}"), &mut install)
}

/// `grpcurl`: the one that `TENANTKIT_GRPCURL` names, or the one on `PATH`, or else one built
/// with Go.
///
/// # Errors
///
/// [`Error::Missing`] when there is no Go either, [`Error::Failed`] when it could not build it.
pub fn grpcurl() -> Result<PathBuf, Error> {
    match named("TENANTKIT_GRPCURL").or_else(|| on_path("grpcurl")) {
        Some(found) => Ok(found),
        None => go_install("github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"),
    }
}

/// `k6`: the one that `TENANTKIT_K6` names, or the one on `PATH`, or else one built with Go, which takes
/// minutes.
///
/// # Errors
///
/// [`Error::Missing`] when there is no Go either, [`Error::Failed`] when it could not build it.
pub fn k6() -> Result<PathBuf, Error> {
    match named("TENANTKIT_K6").or_else(|| on_path("k6")) {
        Some(found) => Ok(found),
        None => go_install("go.k6.io/k6@v1.8.1"),
    }
}

/// A Chromium: the one that `TENANTKIT_CHROMIUM` names, or Debian's.
///
/// # Errors
///
/// As [`apt`].
pub fn chromium() -> Result<PathBuf, Error> {
    match named("TENANTKIT_CHROMIUM") {
        Some(found) => Ok(found),
        None => apt("chromium", "chromium"),
    }
}

/// A Python with `grpcio` and `grpcio-tools`: the one that `TENANTKIT_PYTHON` names, or else one
/// in an environment of its own.
///
/// # Errors
///
/// [`Error::Missing`] when there is no Python, [`Error::Failed`] when a package could not be had.
pub fn python() -> Result<PathBuf, Error> {
    match named("TENANTKIT_PYTHON") {
        Some(found) => Ok(found),
        None => pip_venv("python", &["grpcio==1.85.1", "grpcio-tools==1.85.1"]),
    }
}

/// `kcat`, which reads and writes Kafka's records, headers included: Debian's.
///
/// # Errors
///
/// As [`apt`].
pub fn kcat() -> Result<PathBuf, Error> {
    apt("kcat", "kcat")
}

/// A Java that runs single source files: the one on `PATH`, or Debian's.
///
/// # Errors
///
/// As [`apt`].
pub fn java() -> Result<PathBuf, Error> {
    // Without a compiler it would run no source.
    apt("default-jdk-headless", "javac")?;
    apt("default-jdk-headless", "java")
}

/// A folder with the jars of Apache Kafka, its broker and its clients, fetched with Maven:
/// `java -cp 'FOLDER/*' File.java` runs a client.
///
/// # Errors
///
/// [`Error::Missing`] when there is no Maven and it cannot be installed, [`Error::Failed`] when the
/// jars could not be had.
pub fn kafka_jars() -> Result<PathBuf, Error> {
    let folder = cache("kafka-4.1.1", |folder| {
        apt("maven", "mvn")?;
        say("fetching Apache Kafka 4.1.1 with Maven");
        let pom = folder.join("pom.xml");
        fs::write(&pom, include_str!("kafka/pom.xml")).map_err(Error::io("write a pom.xml"))?;
        run(Command::new("mvn")
            .current_dir(folder)
            .args(["--batch-mode", "--quiet", "dependency:copy-dependencies"])
            .arg("-DoutputDirectory=jars"))
    })?;
    Ok(folder.join("jars"))
}

/// An OpenTelemetry Collector with a receiver for OTLP and exporters to files and for Prometheus: the one that
/// `TENANTKIT_COLLECTOR` names, or else one built with Go, which takes minutes.
///
/// # Errors
///
/// As [`go_install`].
pub fn collector() -> Result<PathBuf, Error> {
    if let Some(found) = named("TENANTKIT_COLLECTOR") {
        return Ok(found);
    }
    let builder = go_install("go.opentelemetry.io/collector/cmd/builder@v0.158.0")?;
    let folder = cache("otelcol-0.158.0", |folder| {
        say("building the OpenTelemetry Collector 0.158.0");
        let parts = folder.join("builder.yaml");
        fs::write(&parts, include_str!("collector/builder.yaml"))
            .map_err(Error::io("write a builder.yaml"))?;
        run(Command::new(builder).current_dir(folder).arg("--config=builder.yaml"))
    })?;
    Ok(folder.join("dist/otelcol"))
}

/// `promtool`, which checks and tests rules of Prometheus: the one that `TENANTKIT_PROMTOOL` names, or the one on
/// `PATH`, or else Debian's, out of its package, which is not installed.
///
/// # Errors
///
/// [`Error::Missing`] when there is no `apt-get`, [`Error::Failed`] when the package could not be had.
pub fn promtool() -> Result<PathBuf, Error> {
    if let Some(found) = named("TENANTKIT_PROMTOOL").or_else(|| on_path("promtool")) {
        return Ok(found);
    }
    let folder = cache("promtool", |folder| {
        require("apt-get", "download prometheus, see https://prometheus.io/download")?;
        require("dpkg", "download prometheus, see https://prometheus.io/download")?;
        say("fetching promtool from Debian's package prometheus");
        let mut fetch = Command::new("sh");
        fetch.args(["-ec", "apt-get download prometheus >&2; dpkg -x prometheus_*.deb ."]);
        run(fetch.current_dir(folder))
    })?;
    Ok(folder.join("usr/bin/promtool"))
}

/// The program that `go install` makes of `package@version`.
///
/// # Errors
///
/// [`Error::Missing`] without Go, [`Error::Failed`] when it could not build.
pub fn go_install(package: &str) -> Result<PathBuf, Error> {
    let (path, version) = package.split_once('@').unwrap_or((package, "latest"));
    let name = path.rsplit('/').next().unwrap_or(path);
    let folder = cache(&format!("{name}-{version}"), |folder| {
        require("go", "install Go, see https://go.dev/doc/install")?;
        say(&format!("go install {package}"));
        run(Command::new("go").args(["install", package]).env("GOBIN", folder))
    })?;
    Ok(folder.join(name))
}

/// The Python of a virtual environment called `name` that has `packages`.
///
/// # Errors
///
/// [`Error::Missing`] without Python, [`Error::Failed`] when a package could not be had.
pub fn pip_venv(name: &str, packages: &[&str]) -> Result<PathBuf, Error> {
    let key = packages.join("-").replace("==", "-");
    let folder = cache(&format!("{name}-{key}"), |folder| {
        require("python3", "sudo apt-get install python3-venv")?;
        say(&format!("pip install {}", packages.join(" ")));
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(folder);
        // Debian's Python comes without the part that makes environments.
        run(&venv).or_else(|_| apt_install("python3-venv").and_then(|()| run(&venv)))?;
        run(Command::new(folder.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary=:all:",
            ])
            .args(packages))
    })?;
    Ok(folder.join("bin/python"))
}

/// The folder below `target/` for `name`, after `fill` has filled it where it is not there yet.
/// Whoever comes meanwhile waits; what fails leaves nothing.
pub(crate) fn cache(
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let _lock = lock(name)?;
    let folder = caches().join(name);
    let complete = caches().join(format!("{name}.complete"));
    if complete.exists() {
        return Ok(folder);
    }
    let refill = || {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)
    };
    refill().map_err(Error::io(format!("make {}", folder.display())))?;
    fill(&folder)?;
    File::create(&complete).map_err(Error::io(format!("make {}", complete.display())))?;
    Ok(folder)
}

/// One process at a time; the system unlocks it when we end.
fn lock(name: &str) -> Result<File, Error> {
    fs::create_dir_all(caches())
        .and_then(|()| File::create(caches().join(format!("{name}.lock"))))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(Error::io(format!("lock the cache of {name}")))
}

fn caches() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    std::path::absolute(&target).unwrap_or(target).join("throwaway")
}

/// Runs `command`, which ends when we do; what it says is told only when it fails.
pub(crate) fn run(command: &Command) -> Result<(), Error> {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let typed = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    finish(typed, &mut leash(command))
}

/// Runs what one could have `typed` to its end.
fn finish(typed: String, command: &mut Command) -> Result<(), Error> {
    let output = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            let _leash = child.stdin.take();
            child.wait_with_output()
        })
        .map_err(Error::io(format!("run `{typed}`")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Error::Failed {
        command: typed,
        status: output.status,
        output: String::from_utf8_lossy(&said).trim().to_owned(),
    })
}

pub(crate) fn say(what: &str) {
    eprintln!("throwaway: {what}");
}

pub(crate) fn require(program: &str, remedy: &str) -> Result<(), Error> {
    on_path(program).map(drop).ok_or_else(|| missing(program, remedy))
}

pub(crate) fn missing(what: &str, remedy: &str) -> Error {
    Error::Missing { what: what.to_owned(), remedy: remedy.to_owned() }
}

pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).find_map(|folder| existing(folder.join(program)))
}

fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|name| !name.is_empty()).map(PathBuf::from)
}

fn existing(path: PathBuf) -> Option<PathBuf> {
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name in the real cache that nobody else uses, and its end.
    struct Name(String);

    impl Name {
        fn new() -> Self {
            Self(format!("test-{:016x}", crate::port::random()))
        }
    }

    impl Drop for Name {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(caches().join(&self.0));
            for end in ["complete", "lock"] {
                let _ = fs::remove_file(caches().join(format!("{}.{end}", self.0)));
            }
        }
    }

    #[test]
    fn what_is_cached_is_fetched_once() {
        let name = Name::new();
        let first = cache(&name.0, |folder| {
            fs::write(folder.join("fetched"), "").map_err(Error::io("write"))
        });
        let folder = cache(&name.0, |_| unreachable!("it is there already")).unwrap();
        assert_eq!(folder, first.unwrap());
        assert!(folder.join("fetched").exists());
    }

    #[test]
    fn what_was_fetched_in_part_is_fetched_again() {
        let name = Name::new();
        let half = cache(&name.0, |folder| {
            fs::write(folder.join("half"), "").map_err(Error::io("write"))?;
            run(&Command::new("false"))
        });
        assert!(matches!(half, Err(Error::Failed { .. })));
        let folder = cache(&name.0, |_| Ok(())).unwrap();
        assert!(!folder.join("half").exists());
    }

    #[test]
    fn a_failed_command_says_what_was_typed_and_what_it_said() {
        let failed = run(Command::new("sh").args(["-c", "echo why; exit 3"])).unwrap_err();
        let said = failed.to_string();
        assert!(said.contains("sh -c") && said.contains("why") && said.contains('3'), "{said}");
    }
}
