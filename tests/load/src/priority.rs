//! Who goes first where there are more threads than cores.
//!
//! Clients have machines of their own. Here they share one with what they load, and a client that is not
//! let run measures the machine's scheduler and not the service. So they go ahead of everything else,
//! where the system allows it, which for most is root. It takes from the service what they need, and
//! gives it nothing.

use std::{
    fs,
    process::{Command, Stdio},
};

/// As `nice` counts: the weight of some 25 ordinary threads.
pub(crate) const AHEAD: &str = "-15";

/// Lets the calling thread go ahead, if that is allowed. Where it is not, the starts that come too late
/// are counted.
pub(crate) fn ahead_of_others() {
    // Where sessions are scheduled as groups, `nice` counts only among those of one session.
    drop(fs::write("/proc/self/autogroup", AHEAD));
    let Ok(thread) = fs::read_link("/proc/thread-self") else { return };
    let Some(thread) = thread.file_name() else { return };
    let mut renice = Command::new("renice");
    renice.args(["-n", AHEAD, "-p"]).arg(thread);
    // Without leave, or without `renice`, we go on as others do.
    drop(renice.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
}
