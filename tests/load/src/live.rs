//! What happens, while it happens: lines that are drawn over each other on a terminal, and one after
//! the other elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use crate::{Board, Percentiles, Second};

/// How far back the light tenant's percentiles look.
const WINDOW: Duration = Duration::from_secs(5);
/// Where nothing is drawn over, lines come as rarely as this.
const RARELY: u32 = 3;

/// Draws both tenants.
#[derive(Debug)]
pub struct Live {
    is_terminal: bool,
    drawn: u32,
    name: String,
}

impl Live {
    /// On standard output, for a phase of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { is_terminal: io::stdout().is_terminal(), drawn: 0, name: name.to_owned() }
    }

    /// Draws what was seen so far. To be called once a second.
    pub fn draw(&mut self, light: &Board, heavy: &Board) {
        let is_due = self.is_terminal || self.drawn % RARELY == RARELY - 1;
        if is_due {
            let mut out = io::stdout().lock();
            // The terminal may have gone away: then nobody looks.
            let _ = if self.is_terminal && self.drawn > 0 {
                write!(out, "\x1b[1A\x1b[2K\r")
            } else {
                Ok(())
            };
            let _ = writeln!(out, "  {}", line(&self.name, light, heavy));
            let _ = out.flush();
        }
        self.drawn += 1;
    }
}

fn line(name: &str, light: &Board, heavy: &Board) -> String {
    let so_far = light.start().elapsed();
    let calls = light.points(so_far.saturating_sub(WINDOW), so_far);
    let calls: Percentiles = calls.iter().map(|call| call.ms).collect();
    // The second before this one has ended.
    let now = heavy.start().elapsed();
    let last = heavy.seconds(now.saturating_sub(Duration::from_secs(1)), now);
    let Second { admitted, refused, failed, .. } = last.first().copied().unwrap_or_default();
    let seconds = so_far.as_secs();
    let (p50, p99) = (milliseconds(calls.at(50.0)), milliseconds(calls.at(99.0)));
    format!(
        "{name} {seconds:3} s | light p50 {p50} p99 {p99} | heavy {admitted:5}/s admitted {refused:5}/s refused {failed:5}/s failed"
    )
}

fn milliseconds(ms: f64) -> String {
    if ms.is_finite() { format!("{ms:7.1} ms") } else { "      -   ".to_owned() }
}
