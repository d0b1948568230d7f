//! Why a server or a tool is not there.

use std::{io, process::ExitStatus};

/// Why a server or a tool is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This machine lacks something that could not be installed either.
    #[error("{what} is missing: {remedy}")]
    Missing {
        /// What was looked for.
        what: String,
        /// What the reader can do.
        remedy: String,
    },
    /// A command ended with a failure.
    #[error("`{command}` failed with {status}\n{output}")]
    Failed {
        /// The command as one could type it.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        output: String,
    },
    /// A server ended, or did not answer in time, while it was starting.
    #[error("{server} did not start\n{log}")]
    NotStarted {
        /// Which server.
        server: &'static str,
        /// The end of its log.
        log: String,
    },
    /// The server was named in the environment: it is somebody else's to stop.
    #[error("{variable} names a server that was not started here, so it is not stopped here")]
    NotOurs {
        /// The variable that names the server.
        variable: &'static str,
    },
    /// A variable of the environment cannot be used.
    #[error("{variable} {problem}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was being done.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// Postgres refused a statement of a helper.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

impl Error {
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { action: action.into(), source }
    }
}
