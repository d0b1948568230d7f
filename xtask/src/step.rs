//! One step: a command that says what it is, whose output is seen as it comes, and that ends with us.

use std::{ffi::OsStr, process::Command, time::Instant};

use throwaway::{leash, wait};

use crate::Failure;

/// A command to run in order with others.
pub(crate) struct Step {
    name: String,
    command: Command,
    /// What the reader could type.
    typed: String,
    /// How it ends where it could not find out.
    undecided: Option<i32>,
}

impl Step {
    /// `program` by the words of `line`, none of which may hold a space.
    pub(crate) fn new(name: impl Into<String>, line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        Self { name: name.into(), command, typed: line.to_owned(), undecided: None }
    }

    /// With a variable in its environment.
    pub(crate) fn env(mut self, variable: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref();
        self.typed = format!("{variable}='{}' {}", value.display(), self.typed);
        self.command.env(variable, value);
        self
    }

    /// With variables that are not worth showing each time.
    pub(crate) fn envs<V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// With a status by which it says that it could not find out: that is told, and is no failure.
    pub(crate) const fn undecided(mut self, status: i32) -> Self {
        self.undecided = Some(status);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// When it could not be started, or failed.
    pub(crate) fn run(self) -> Result<(), Failure> {
        say(&format!("{}: {}", self.name, self.typed));
        let started = Instant::now();
        let status = wait(&mut leash(&self.command).spawn()?)?;
        let seconds = started.elapsed().as_secs_f64();
        if self.undecided.is_some() && status.code() == self.undecided {
            say(&format!("{}: UNDECIDED after {seconds:.1} s: {}", self.name, self.typed));
            return Ok(());
        }
        if !status.success() {
            let (name, typed) = (&self.name, &self.typed);
            return Err(
                format!("FAILED after {seconds:.1} s with {status}: {name}: {typed}").into()
            );
        }
        say(&format!("{}: done in {seconds:.1} s", self.name));
        Ok(())
    }
}

/// A line about what happens, apart from what the steps themselves write.
pub(crate) fn say(what: &str) {
    eprintln!("\nxtask: {what}");
}
