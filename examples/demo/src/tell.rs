//! How the story is told: what is done, what came back, and whether it is what was promised.

use std::fmt;

/// Tells, and counts what was not as promised.
#[derive(Debug, Default)]
pub struct Teller {
    told: usize,
    broken: usize,
}

impl Teller {
    /// Begins a chapter.
    pub fn chapter(&self, title: &str) {
        println!("\n{title}");
    }

    /// Tells one line: what was done, what came back, and whether that is the promise.
    pub fn line(&mut self, done: &str, came_back: impl fmt::Display, as_promised: bool) {
        self.told += 1;
        self.broken += usize::from(!as_promised);
        let mark = if as_promised { "ok " } else { "NOT AS PROMISED" };
        println!("  {:2}. {done}", self.told);
        println!("      {mark} {}", shorten(&came_back.to_string()));
    }

    /// How many lines were told, and how many were not as promised.
    #[must_use]
    pub const fn end(&self) -> (usize, usize) {
        (self.told, self.broken)
    }
}

/// The first line, and not more of it than a terminal shows.
fn shorten(text: &str) -> String {
    const WIDTH: usize = 160;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}
