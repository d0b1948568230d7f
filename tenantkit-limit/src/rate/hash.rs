use std::hash::{BuildHasher, RandomState};

use foldhash::quality::{FoldHasher, SeedableRandomState};

/// The hasher of a limiter's keys: foldhash, with a seed that this process drew from the operating
/// system (by way of [`RandomState`]), one for each limiter.
///
/// It is fast and not cryptographic. Somebody who chooses ids and finds some that collide can at worst
/// fill one shard: then that shard's newcomers share the overflow quota, and a lookup in it walks at
/// most its 8,192 keys. Where even that is too much, give the limiter a [`RandomState`].
#[derive(Clone)]
pub struct Keyed(SeedableRandomState);

impl Default for Keyed {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(0);
        Self(SeedableRandomState::with_seed(seed, foldhash::SharedSeed::global_random()))
    }
}

impl BuildHasher for Keyed {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The seed is not for a log.
        f.debug_struct("Keyed").finish_non_exhaustive()
    }
}
