//! Where the programs of a Postgres are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::PostgresVersion;
use crate::{Error, tools};

/// The folder with `initdb` and `postgres`.
pub(super) fn find(version: PostgresVersion) -> Result<PathBuf, Error> {
    match version {
        PostgresVersion::System => match system() {
            Some(folder) => Ok(folder),
            None => {
                tools::apt_install("postgresql")?;
                system()
                    .ok_or_else(|| tools::missing("Postgres", "the package postgresql has none"))
            }
        },
        PostgresVersion::V18 => maven("18.1.0"),
    }
}

/// Copies what belongs to `binaries` to `folder`, for an account that cannot reach the original:
/// a checkout below root's home, say.
pub(super) fn copy(binaries: &Path, folder: &Path) -> Result<(), Error> {
    let installation = binaries.parent().unwrap_or(binaries);
    tools::run(Command::new("cp").arg("-r").args([installation, folder]))
}

/// The newest that Debian's packages have put where they put all of them, or the one on `PATH`.
fn system() -> Option<PathBuf> {
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> =
        packaged.flatten().map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    folders
        .into_iter()
        .rev()
        .chain(env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

const ARTIFACT: &str = "io.zonky.test.postgres:embedded-postgres-binaries-linux";

/// A jar that Maven knows, with an archive of the programs in it.
fn maven(version: &str) -> Result<PathBuf, Error> {
    let folder = tools::cache(&format!("postgres-{version}"), |folder| {
        tools::require("mvn", "sudo apt-get install maven")?;
        tools::say(&format!("fetching Postgres {version} with Maven"));
        let artifact = format!("{ARTIFACT}-{}:{version}", architecture());
        tools::run(
            Command::new("mvn")
                .current_dir(folder)
                .args(["--batch-mode", "--quiet", "dependency:unpack"])
                .arg(format!("-Dartifact={artifact}"))
                .arg(format!("-DoutputDirectory={}", folder.display())),
        )?;
        tools::run(Command::new("sh").current_dir(folder).args(["-ec", "tar -xJf *.txz; rm *.txz"]))
    })?;
    Ok(folder.join("bin"))
}

/// As the artifact's name spells it.
fn architecture() -> &'static str {
    match env::consts::ARCH {
        "aarch64" => "arm64v8",
        _ => "amd64",
    }
}
