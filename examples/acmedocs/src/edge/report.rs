//! The report of an export: how much a tenant has written, under a digest that is slow on purpose.
//!
//! What a real report costs in sorting and drawing, this one costs in rounds of hashing, as many as the
//! caller orders: 32 are meant to take a core for 2 ms or more, also where the processor has
//! instructions for SHA-256, whatever the tenant has.

use std::{fmt::Write as _, thread};

use ring::digest::{Context, SHA256, digest};
use serde::Serialize;

use crate::proto::Document;

/// The hashes of a round.
const HASHES: u32 = 1_024;

/// The rounds of a report for which none are ordered.
pub(super) const ROUNDS: u32 = 32;
/// Those of one that takes a core for a fifth of a second and more.
pub(super) const MOST_ROUNDS: u32 = 3_200;

/// What the caller is told.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    rows: u64,
    words: u64,
    digest: String,
}

/// A report that documents are still added to. It has no more than one of them in memory.
pub(super) struct Draft {
    rows: u64,
    words: u64,
    content: Context,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self { rows: 0, words: 0, content: Context::new(&SHA256) }
    }

    pub(super) fn add(&mut self, document: &Document) {
        self.rows += 1;
        for text in [&document.id, &document.title, &document.body] {
            // With its length, so that no two contents run together to the same.
            self.content.update(&(text.len() as u64).to_be_bytes());
            self.content.update(text.as_bytes());
        }
        let words = [&document.title, &document.body].map(|text| text.split_whitespace().count());
        self.words += words.iter().sum::<usize>() as u64;
    }

    /// Finishes it in so many rounds, unless nobody waits for it any more.
    pub(super) fn finish(self, rounds: u32, is_wanted: impl Fn() -> bool) -> Option<Report> {
        let mut hash = self.content.finish();
        for _ in 0..rounds {
            if !is_wanted() {
                return None;
            }
            for _ in 0..HASHES {
                hash = digest(&SHA256, hash.as_ref());
            }
            // Who only waits for a core to answer with does not wait for a slice of the scheduler's.
            thread::yield_now();
        }
        let mut hex = String::with_capacity(64);
        for byte in hash.as_ref() {
            // A `String` takes what is written to it.
            let _ = write!(hex, "{byte:02x}");
        }
        Some(Report { rows: self.rows, words: self.words, digest: hex })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn draft(titles: &[&str]) -> Draft {
        let mut draft = Draft::new();
        for title in titles {
            draft.add(&Document { title: (*title).to_owned(), ..Document::default() });
        }
        draft
    }

    #[test]
    fn work_that_nobody_waits_for_any_more_ends_after_the_round_that_it_is_in() {
        let asked = Cell::new(0);
        let hangs_up = || asked.replace(asked.get() + 1) < 2;
        assert!(draft(&["it"]).finish(10, hangs_up).is_none());
        assert_eq!(asked.get(), 3);
    }

    #[test]
    fn other_documents_or_rounds_are_another_digest() {
        let digest =
            |titles: &[&str], rounds| draft(titles).finish(rounds, || true).unwrap().digest;
        let one = digest(&["ab", "c"], 1);
        assert_eq!(one, digest(&["ab", "c"], 1));
        assert!(one != digest(&["a", "bc"], 1) && one != digest(&["ab", "c"], 2));
    }
}
