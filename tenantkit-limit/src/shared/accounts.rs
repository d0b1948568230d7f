//! The accounts of all tenants that are not idle, in shards with a lock each, held for an instant.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tenantkit_core::TenantId;

use super::{account::Account, terms::Terms};
use crate::{concurrency::Resource, rate::Keyed};

/// What an account is kept by. Identity is exact.
pub(super) type Key = (TenantId, Resource);

const SHARDS: usize = 64;
/// A full shard looks for idle accounts at most so often, in nanoseconds.
const BETWEEN_SWEEPS: u64 = 100_000_000;

#[derive(Debug)]
pub(super) struct Accounts {
    shards: Box<[Mutex<Shard>]>,
    hasher: Keyed,
    most_a_shard: usize,
}

#[derive(Debug)]
struct Shard {
    accounts: HashMap<Key, Entry, Keyed>,
    swept: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    account: Account,
    /// The time of being together that it was made or last met in.
    epoch: u64,
}

/// There is no room for another tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtCapacity;

impl Accounts {
    pub(super) fn new(most: usize) -> Self {
        let hasher = Keyed::default();
        let shard = || {
            let accounts = HashMap::with_hasher(hasher.clone());
            Mutex::new(Shard { accounts, swept: None })
        };
        let shards = (0..SHARDS).map(|_| shard()).collect();
        Self { shards, hasher, most_a_shard: most.div_ceil(SHARDS) }
    }

    /// Changes the account of `key` under these terms, a new one if need be. `apart` is what the tenant
    /// took while processes did not hear of each other; it is asked once in each `epoch`.
    pub(super) fn change<R>(
        &self,
        key: &Key,
        terms: &Arc<Terms>,
        now: u64,
        epoch: u64,
        apart: impl FnOnce() -> u32,
        change: impl FnOnce(&mut Account) -> R,
    ) -> Result<R, AtCapacity> {
        let mut shard = self.shard(key);
        if !shard.accounts.contains_key(key) {
            if shard.accounts.len() >= self.most_a_shard {
                shard.sweep(now);
            }
            if shard.accounts.len() >= self.most_a_shard {
                return Err(AtCapacity);
            }
        }
        let entry = shard
            .accounts
            .entry(*key)
            .or_insert_with(|| Entry { account: Account::new(Arc::clone(terms)), epoch: 0 });
        entry.account.set_terms(terms);
        if entry.epoch != epoch {
            entry.epoch = epoch;
            let _beyond = entry.account.force(apart());
        }
        Ok(change(&mut entry.account))
    }

    /// Looks at the account of `key`, if there is one.
    pub(super) fn with<R>(&self, key: &Key, look: impl FnOnce(&mut Account) -> R) -> Option<R> {
        self.shard(key).accounts.get_mut(key).map(|entry| look(&mut entry.account))
    }

    pub(super) fn len(&self) -> usize {
        let lock = |shard: &Mutex<Shard>| lock(shard).accounts.len();
        self.shards.iter().map(lock).sum()
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        // The upper bits: a map takes its places from the lower ones.
        let at = (self.hasher.hash_one(key) >> 48) as usize % SHARDS;
        lock(&self.shards[at])
    }
}

impl Shard {
    fn sweep(&mut self, now: u64) {
        if self.swept.is_some_and(|swept| now.saturating_sub(swept) < BETWEEN_SWEEPS) {
            return;
        }
        self.swept = Some(now);
        self.accounts.retain(|_, entry| !entry.account.is_idle(now));
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // What a panic leaves is a count that is too high at worst, which only refuses.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
