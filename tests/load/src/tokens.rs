//! Tokens that are made before the load begins, so that making them costs it nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// How long a batch is used. An identity provider's tokens are good for minutes.
const BATCH: Duration = Duration::from_secs(120);

/// Batches of tokens, each used from its time on, as clients do that fetch new ones before theirs
/// expire.
#[derive(Clone)]
pub struct Tokens {
    batches: Vec<Batch>,
}

#[derive(Clone)]
struct Batch {
    from: u64,
    tokens: Vec<String>,
}

impl Tokens {
    /// Enough for `time` from now. `mint` is given the second since 1970 from which the tokens are
    /// used, and how many batches there were.
    pub fn mint(time: Duration, mint: impl Fn(u64, usize) -> Vec<String>) -> Self {
        let now = unix().as_secs();
        let batches = time.as_secs() / BATCH.as_secs() + 1;
        let batch = |at: u64| {
            let from = now + at * BATCH.as_secs();
            Batch { from, tokens: mint(from, at as usize) }
        };
        Self { batches: (0..batches).map(batch).collect() }
    }

    /// Each batch's first second since 1970, and its tokens.
    pub(crate) fn batches(&self) -> impl Iterator<Item = (u64, &[String])> {
        self.batches.iter().map(|batch| (batch.from, batch.tokens.as_slice()))
    }

    /// For the script of k6.
    pub(crate) fn document(&self) -> Value {
        let batches = self.batches();
        batches.map(|(from, tokens)| json!({ "from": from, "tokens": tokens })).collect()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("batches", &self.batches.len()).finish_non_exhaustive()
    }
}

/// Since 1970.
pub(crate) fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_new_tokens_before_the_old_expire() {
        let tokens =
            Tokens::mint(Duration::from_secs(500), |from, at| vec![format!("{at} {from}")]);
        let from: Vec<u64> = tokens.batches().map(|(from, _)| from).collect();
        assert_eq!(from.len(), 5);
        assert!(from.windows(2).all(|two| two[1] - two[0] == BATCH.as_secs()));
    }

    #[test]
    fn tokens_are_not_shown() {
        let tokens = Tokens::mint(BATCH, |_, _| vec!["secret".to_owned()]);
        assert!(!format!("{tokens:?}").contains("secret"));
    }
}
