//! One step: a command that says what it is, whose output is seen as it comes, and that ends with us.

use std::{
    ffi::OsStr,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Instant,
};

use crate::Failure;

/// A command to run in order with others.
pub(crate) struct Step {
    name: String,
    command: Command,
    /// What the reader could type.
    typed: String,
}

impl Step {
    /// `program` by the words of `line`, none of which may hold a space.
    pub(crate) fn new(name: impl Into<String>, line: &str) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", include_str!("step/step.sh"), "xtask-step"])
            .args(line.split_whitespace())
            // A group of its own, so that all of it can be ended at once, and only it.
            .process_group(0);
        Self { name: name.into(), command, typed: line.to_owned() }
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

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// When it could not be started, or failed.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        say(&format!("{}: {}", self.name, self.typed));
        let started = Instant::now();
        let mut process = self.command.stdin(Stdio::piped()).spawn()?;
        // `wait` would close it, and so end the step.
        let lifeline = process.stdin.take();
        let status = process.wait()?;
        drop(lifeline);
        let seconds = started.elapsed().as_secs_f64();
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
