//! [`TokenCacheStats`]: how often a token's signature need not be checked again.

use super::Authority;

/// How often a presented token was found among those whose signature was checked, of bearer and transaction tokens
/// together, from the start. What is forged is among the misses, and so is each token the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenCacheStats {
    /// It was found, whether or not it then held.
    pub hits: u64,
    /// It was not.
    pub misses: u64,
}

impl Authority {
    /// How the caches of verified tokens do. Clones of [`TxnTokens`](crate::TxnTokens) share one, and count together.
    #[must_use]
    pub fn token_cache(&self) -> TokenCacheStats {
        let tokens = self.0.txn_tokens.as_ref().map(crate::TxnTokens::cache_stats);
        let bearers = self.0.bearer_cache.as_ref().map(crate::jws::cache::VerifiedCache::stats);
        let all = [tokens, bearers].into_iter().flatten();
        all.fold(TokenCacheStats::default(), |sum, (hits, misses)| TokenCacheStats {
            hits: sum.hits.saturating_add(hits),
            misses: sum.misses.saturating_add(misses),
        })
    }
}
