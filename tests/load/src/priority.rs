//! Who goes first where there are more threads than cores.
//!
//! Clients have machines of their own. Here they share one with what they load, and a client that is not
//! let run measures the machine's scheduler and not the service. So they go ahead of everything else,
//! where the system allows it, which for most is root. It takes from the service what they need, and
//! gives it nothing.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// Of those that run before all others (`SCHED_RR`), those who keep a schedule go first.
const REAL_TIME: &str = "2";
/// And then k6, which takes a core for a second to start.
const REAL_TIME_OF_K6: &str = "1";
/// Where that is not allowed, as `nice` counts: the weight of some 25 ordinary threads.
const NICE: &str = "-15";

/// Lets the calling thread go ahead, if that is allowed. Where it is not, the starts that come too late
/// are counted.
pub(crate) fn ahead_of_others() {
    let Ok(thread) = fs::read_link("/proc/thread-self") else { return };
    let Some(thread) = thread.file_name() else { return };
    let mut real_time = Command::new("chrt");
    real_time.args(["--rr", "--pid", REAL_TIME]).arg(thread);
    if succeeds(real_time) {
        return;
    }
    // Where sessions are scheduled as groups, `nice` counts only among those of one session.
    drop(fs::write("/proc/self/autogroup", NICE));
    let mut nice = Command::new("renice");
    nice.args(["-n", NICE, "-p"]).arg(thread);
    // Without leave, or without `renice`, we go on as others do.
    let _ = succeeds(nice);
}

/// k6, as a command that goes ahead if that is allowed.
pub(crate) fn ahead(k6: &Path) -> Command {
    let mut probe = Command::new("chrt");
    probe.args(["--rr", REAL_TIME_OF_K6, "true"]);
    let mut command;
    if succeeds(probe) {
        command = Command::new("chrt");
        command.args(["--rr", REAL_TIME_OF_K6]);
    } else {
        // Which goes on without, where it is not allowed.
        command = Command::new("nice");
        command.args(["-n", NICE]);
    }
    command.arg(k6);
    command
}

fn succeeds(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
