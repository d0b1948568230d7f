//! How much processor time processes have taken.

use std::{fs, io, thread, time::Duration};

/// What Linux counts in: `USER_HZ`, which is 100 on every architecture that Rust is at home on.
const TICKS: u64 = 100;

/// What the processes with these numbers, and their children that run, have taken so far.
///
/// # Errors
///
/// When `/proc` cannot be read. A process that is gone has taken nothing.
pub fn taken(processes: &[u32]) -> io::Result<Duration> {
    let (mut taken, mut open) = (0, processes.to_vec());
    while let Some(process) = open.pop() {
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        taken += ticks(&stat).ok_or(io::ErrorKind::InvalidData)?;
        let children = format!("/proc/{process}/task/{process}/children");
        let children = fs::read_to_string(children).unwrap_or_default();
        open.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(Duration::from_millis(taken * 1000 / TICKS))
}

/// How many cores there are for us.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// The user's and the system's time, fields 14 and 15. The name in parentheses may hold anything, so
/// the fields are counted from behind its end.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit(") ").next()?.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_any_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 31 11 0 0 20 0 4 0 5";
        assert_eq!(ticks(stat), Some(42));
    }

    #[test]
    fn we_have_taken_some_time_and_a_process_that_is_gone_none() {
        assert_eq!(taken(&[u32::MAX]).ok(), Some(Duration::ZERO));
        assert!(taken(&[std::process::id()]).is_ok());
    }
}
