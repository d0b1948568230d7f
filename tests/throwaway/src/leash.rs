//! Commands that end when we do.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
};

/// The same command in a process group of its own that ends, with everything that it has started,
/// when the standard input of the [`Child`] closes: at the latest when we end, however we do.
///
/// It is told to end (SIGTERM), and so may take its time. The [`Child`] is the command itself, so that
/// its number, its end and a signal for it are the command's. The command reads nothing.
/// [`Child::wait`] closes standard input first, and so ends the command: [`wait`] for it instead.
///
/// ```
/// # use std::process::Command;
/// let mut child = throwaway::leash(Command::new("true").args(["to", "yourself"])).spawn()?;
/// assert!(throwaway::wait(&mut child)?.success());
/// # std::io::Result::Ok(())
/// ```
#[must_use]
pub fn leash(command: &Command) -> Command {
    let mut leashed = Command::new("sh");
    leashed
        .args(["-c", include_str!("leash/leash.sh"), "throwaway-leash"])
        .arg(command.get_program())
        .args(command.get_args())
        .process_group(0)
        .stdin(Stdio::piped());
    for (variable, value) in command.get_envs() {
        match value {
            Some(value) => leashed.env(variable, value),
            None => leashed.env_remove(variable),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        leashed.current_dir(folder);
    }
    leashed
}

/// Waits for the end of a [leashed](leash) command, holding the leash.
///
/// # Errors
///
/// As [`Child::wait`].
pub fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let _leash = child.stdin.take();
    child.wait()
}
