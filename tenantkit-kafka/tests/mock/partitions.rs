//! Which partitions a tenant's records go to.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use tenantkit_core::TenantId;
use tenantkit_kafka::{Outgoing, Partitioner};

use crate::cluster::{PARTITIONS, World};

fn tenant(number: u32) -> TenantId {
    format!("tenant-{number}").parse().unwrap()
}

proptest! {
    #[test]
    fn a_shard_has_as_many_partitions_as_it_says_and_never_all(
        name in 0..10_000_u32, per_tenant in 0..40_u32, partitions in 1..200_u32,
    ) {
        let partitioner = Partitioner::new(per_tenant);
        let shard = partitioner.shard(&tenant(name), partitions);
        let distinct: BTreeSet<u32> = shard.iter().copied().collect();
        prop_assert_eq!(distinct.len(), shard.len());
        prop_assert_eq!(shard.len(), partitioner.per_tenant(partitions) as usize);
        prop_assert!(shard.iter().all(|partition| *partition < partitions));
        prop_assert!(shard.is_sorted());
        prop_assert!(partitions == 1 || shard.len() < partitions as usize);
        if per_tenant > 0 {
            prop_assert!(shard.len() <= per_tenant as usize);
        }
        prop_assert_eq!(partitioner.shard(&tenant(name), partitions), shard, "it is drawn by name");
    }

    #[test]
    fn a_key_stays_in_its_tenants_shard_and_in_one_partition(
        name in 0..10_000_u32, key in any::<Vec<u8>>(), partitions in 1..64_u32,
    ) {
        let partitioner = Partitioner::default();
        let partition = partitioner.keyed(&tenant(name), &key, partitions);
        prop_assert!(partitioner.shard(&tenant(name), partitions).contains(&partition));
        prop_assert_eq!(partitioner.keyed(&tenant(name), &key, partitions), partition);
    }

    #[test]
    fn one_more_partition_changes_at_most_one_of_a_shard(
        name in 0..10_000_u32, per_tenant in 1..8_u32, partitions in 9..64_u32,
    ) {
        let partitioner = Partitioner::new(per_tenant);
        let before: BTreeSet<u32> =
            partitioner.shard(&tenant(name), partitions).into_iter().collect();
        let after: BTreeSet<u32> =
            partitioner.shard(&tenant(name), partitions + 1).into_iter().collect();
        let new: Vec<u32> = after.difference(&before).copied().collect();
        prop_assert!(new.is_empty() || new == [partitions], "{before:?} {after:?}");
    }
}

#[test]
fn tenants_are_spread_evenly_and_few_share_all_their_partitions() {
    const TENANTS: u32 = 20_000;
    let (partitioner, partitions) = (Partitioner::new(3), 24);
    let mut load = vec![0_u32; partitions as usize];
    let mut shards: HashMap<Vec<u32>, u32> = HashMap::new();
    for name in 0..TENANTS {
        let shard = partitioner.shard(&tenant(name), partitions);
        for partition in &shard {
            load[*partition as usize] += 1;
        }
        *shards.entry(shard).or_default() += 1;
    }
    let even = TENANTS * 3 / partitions;
    // Each is a sum of 20,000 draws of 1 in 8: a tenth is more than five deviations.
    for tenants in &load {
        assert!(tenants.abs_diff(even) < even / 10, "{load:?}");
    }
    // Drawn at random, two tenants have the same 3 of 24 once in 2,024 times.
    let pairs: u64 = shards.values().map(|it| u64::from(*it) * (u64::from(*it) - 1) / 2).sum();
    let expected = f64::from(TENANTS) * f64::from(TENANTS - 1) / 2.0 / 2024.0;
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    let ratio = pairs as f64 / expected;
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}

#[test]
fn the_keys_of_a_tenant_are_spread_over_its_shard() {
    let (partitioner, acme) = (Partitioner::new(4), "acme".parse().unwrap());
    let mut load: HashMap<u32, u32> = HashMap::new();
    for key in 0..8_000_u32 {
        *load.entry(partitioner.keyed(&acme, key.to_string().as_bytes(), 16)).or_default() += 1;
    }
    assert_eq!(load.len(), 4);
    assert!(load.values().all(|keys| keys.abs_diff(2_000) < 250), "{load:?}");
}

/// Other languages compute the same: these are the function's, as its documentation has it, by
/// `python3 tenantkit-kafka/tests/mock/partitions.py`.
#[test]
fn the_function_is_the_one_that_is_documented() {
    let acme: TenantId = "acme".parse().unwrap();
    let (three, default) = (Partitioner::new(3), Partitioner::default());
    assert_eq!(three.shard(&acme, 12), KNOWN_SHARD);
    assert_eq!(default.shard(&"globex".parse().unwrap(), 30), KNOWN_DEFAULT);
    for (key, partition) in KNOWN_KEYS {
        assert_eq!(three.keyed(&acme, key.as_bytes(), 12), partition, "{key}");
    }
}

const KNOWN_SHARD: [u32; 3] = [4, 6, 7];
const KNOWN_DEFAULT: [u32; 8] = [6, 11, 13, 15, 20, 24, 25, 29];
const KNOWN_KEYS: [(&str, u32); 4] = [("", 6), ("7", 6), ("8", 4), ("älice", 4)];

#[tokio::test]
async fn a_tenants_records_go_to_its_partitions_and_keep_their_order_by_key() {
    let world = World::new();
    let topic = world.topic();
    let partitioner = Partitioner::new(2);
    let producer = world.builder().partitioner(partitioner).build().unwrap();
    let partitions = u32::try_from(PARTITIONS).unwrap();
    let of = |tenant: &str| -> BTreeSet<i32> {
        let shard = partitioner.shard(&tenant.parse().unwrap(), partitions);
        shard.into_iter().map(|partition| i32::try_from(partition).unwrap()).collect()
    };
    let mut deliveries = Vec::new();
    for number in 0..60 {
        for name in ["acme", "globex"] {
            let (key, payload) = (format!("k{}", number % 5), number.to_string());
            let record = Outgoing::to(&topic).key(&key).payload(&payload);
            let context = world.test.context(name);
            deliveries.push(producer.enqueue(&context, record).await.unwrap());
            let unkeyed = Outgoing::to(&topic).payload(&payload);
            deliveries.push(producer.enqueue(&context, unkeyed).await.unwrap());
        }
    }
    producer.flush().await.unwrap();

    let (mut last, mut used) = (HashMap::new(), HashMap::<String, BTreeSet<i32>>::new());
    for read in world.read(&topic, 240) {
        let tenant = read.text("tenant_id").to_owned();
        let number: u32 =
            String::from_utf8(read.payload.clone().unwrap()).unwrap().parse().unwrap();
        used.entry(tenant.clone()).or_default().insert(read.partition);
        if let Some(key) = read.key.clone() {
            let before = last.insert((tenant, key), (number, read.partition));
            let in_order = |before: (u32, i32)| before.0 < number && before.1 == read.partition;
            assert!(before.is_none_or(in_order), "{before:?} {number}");
        }
    }
    // Those without a key go to each of them.
    assert_eq!(used["acme"], of("acme"));
    assert_eq!(used["globex"], of("globex"));
}
