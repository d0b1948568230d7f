//! [`Partitioner`]: which partitions a tenant's records go to.
//!
//! Shuffle sharding (Colm MacCárthaigh, "Workload isolation using shuffle-sharding", The Amazon Builders'
//! Library): each tenant has `k` of the `n` partitions of a topic, drawn by its name, so that one tenant
//! cannot fill all of them, and two rarely have the same.
//!
//! ```
//! use tenantkit_core::TenantId;
//! use tenantkit_kafka::Partitioner;
//!
//! let partitioner = Partitioner::new(3);
//! let acme: TenantId = "acme".parse()?;
//!
//! let partition = partitioner.keyed(&acme, b"7", 12);
//! assert!(partitioner.shard(&acme, 12).contains(&partition));
//! assert_eq!(partitioner.shard(&acme, 12).len(), 3);
//! // As long as the topic has as many partitions, the same key is in the same one.
//! assert_eq!(partitioner.keyed(&acme, b"7", 12), partition);
//! # Ok::<(), tenantkit_core::InvalidTenantId>(())
//! ```
//!
//! # The function
//!
//! So that another language can compute it: the score of partition `p` for a tenant is `mix(h ^ mix(p))`,
//! where `h` is FNV-1a (64 bits) of the id and `mix` the finalizer of SplitMix64 (Steele, Lea, Flood 2014);
//! a tenant has the `k` partitions of the highest scores (highest random weight: Thaler, Ravishankar 1998).
//! A key has the one of them whose `mix(h' ^ mix(p))` is highest, where `h'` is FNV-1a of the id, a zero
//! byte and the key. So one more partition moves few tenants, and few keys.

use tenantkit_core::TenantId;

/// Which partitions a tenant's records go to. See the [module](crate::partitioner).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Partitioner {
    /// As many as the topic's number gives when zero.
    per_tenant: u32,
}

impl Partitioner {
    /// Gives each tenant `per_tenant` partitions, but never all: at most one less than there are, where
    /// there are two or more. The [default](Partitioner::default) is a quarter of them, and at least two.
    #[must_use]
    pub const fn new(per_tenant: u32) -> Self {
        Self { per_tenant }
    }

    /// How many of `partitions` a tenant has.
    #[must_use]
    pub fn per_tenant(&self, partitions: u32) -> u32 {
        let wanted = match self.per_tenant {
            0 => partitions.div_ceil(4).max(2),
            wanted => wanted,
        };
        wanted.min(partitions.saturating_sub(1)).max(1)
    }

    /// The partitions of a tenant, in order.
    #[must_use]
    pub fn shard(&self, tenant: &TenantId, partitions: u32) -> Vec<u32> {
        let hash = fnv(tenant.bytes());
        let mut scored: Vec<(u64, u32)> =
            (0..partitions).map(|partition| (score(hash, partition), partition)).collect();
        let most = self.per_tenant(partitions) as usize;
        if most < scored.len() {
            scored.select_nth_unstable_by(most, |one, other| other.cmp(one));
            scored.truncate(most);
        }
        let mut shard: Vec<u32> = scored.into_iter().map(|(_, partition)| partition).collect();
        shard.sort_unstable();
        shard
    }

    /// The partition of a key.
    #[must_use]
    pub fn keyed(&self, tenant: &TenantId, key: &[u8], partitions: u32) -> u32 {
        keyed_in(&self.shard(tenant, partitions), tenant, key)
    }
}

/// The partition of a key among those of its tenant.
pub(crate) fn keyed_in(shard: &[u32], tenant: &TenantId, key: &[u8]) -> u32 {
    let hash = fnv(tenant.bytes().chain([0]).chain(key.iter().copied()));
    let highest = shard.iter().copied().max_by_key(|partition| score(hash, *partition));
    highest.unwrap_or_default()
}

fn score(hash: u64, partition: u32) -> u64 {
    mix(hash ^ mix(u64::from(partition)))
}

/// FNV-1a, 64 bits.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The finalizer of `SplitMix64`, with its increment.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
