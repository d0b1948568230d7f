//! [`Assignment`]: the partitions that are ours, as the group says, and how they are handed over.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, Statistics, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol},
    error::KafkaResult,
    types::RDKafkaRespErr,
};

use super::{
    counters::Counters,
    partition::{Committed, Partition, Place},
    progress::Progress,
};

/// How long the brokers have to say what the last owner left.
const PATIENCE: Duration = Duration::from_secs(10);

/// A handle, which the group's callbacks and the reader share. Both are on the reader's thread.
#[derive(Clone)]
pub(super) struct Assignment(Arc<Inner>);

struct Inner {
    owned: Mutex<Owned>,
    drain: Duration,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Owned {
    partitions: HashMap<Place, Arc<Partition>>,
    /// Grows with each change.
    version: u64,
}

pub(super) type Member = BaseConsumer<Assignment>;

impl Assignment {
    pub(super) fn new(drain: Duration, counters: Arc<Counters>) -> Self {
        Self(Arc::new(Inner { owned: Mutex::default(), drain, counters }))
    }

    /// Grows whenever the partitions are others.
    pub(super) fn version(&self) -> u64 {
        self.owned().version
    }

    pub(super) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.owned().partitions.values().cloned().collect()
    }

    /// Commits what is done and was not committed, and does not wait for it.
    pub(super) fn commit(&self, member: &Member) {
        self.send(member, &self.partitions(), Partition::to_commit, CommitMode::Async);
    }

    /// Nothing begins any more, what runs has its time to end, and what is done is committed.
    pub(super) fn drain(&self, member: &Member, partitions: &[Arc<Partition>]) {
        partitions.iter().for_each(|partition| partition.close());
        let until = Instant::now() + self.0.drain;
        for partition in partitions {
            partition.wait_until_quiet(until);
        }
        for partition in partitions {
            partition.cancel();
        }
        self.send(member, partitions, Partition::to_commit_at_last, CommitMode::Sync);
    }

    fn send(
        &self,
        member: &Member,
        partitions: &[Arc<Partition>],
        what: fn(&Partition) -> Option<Committed>,
        mode: CommitMode,
    ) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let Some(next) = what(partition) else { continue };
            let Place { topic, partition } = &partition.place;
            let mut entry = list.add_partition(topic, *partition);
            if entry.set_offset(Offset::Offset(next.offset)).is_ok() {
                entry.set_metadata(next.metadata);
            }
        }
        if list.count() > 0 && member.commit(&list, mode).is_err() {
            self.answered(&list, false);
        }
    }

    fn answered(&self, list: &TopicPartitionList, is_committed: bool) {
        if !is_committed {
            self.0.counters.commit_failed();
        }
        let owned = self.owned();
        for entry in list.elements() {
            let place = Place::new(entry.topic(), entry.partition());
            let partition = owned.partitions.get(&place);
            if let (Some(partition), Offset::Offset(offset)) = (partition, entry.offset()) {
                let commit = Committed { offset, metadata: entry.metadata().to_owned() };
                partition.answered(&commit, is_committed && entry.error().is_ok());
            }
        }
    }

    fn assign(&self, member: &Member, list: &mut TopicPartitionList) {
        let left = member.committed_offsets(list.clone(), PATIENCE).ok();
        let mut assigned = TopicPartitionList::new();
        for entry in list.elements() {
            let place = Place::new(entry.topic(), entry.partition());
            let found = left.as_ref().and_then(|left| {
                let found = left.find_partition(entry.topic(), entry.partition())?;
                found.error().ok()?;
                match found.offset() {
                    Offset::Offset(offset) => Some(Progress::restore(offset, found.metadata())),
                    _ => None,
                }
            });
            let mut entry = assigned.add_partition(entry.topic(), entry.partition());
            let progress = found.inspect(|progress| {
                // An offset that was committed is one.
                let _ = entry.set_offset(Offset::Offset(progress.watermark()));
            });
            // Nothing is known: it begins with the first record that librdkafka finds by itself.
            let partition = Partition::new(place.clone(), progress);
            self.owned().partitions.insert(place, Arc::new(partition));
        }
        let taken = match member.rebalance_protocol() {
            RebalanceProtocol::Cooperative => member.incremental_assign(&assigned),
            _ => member.assign(&assigned),
        };
        if taken.is_err() {
            self.0.counters.rebalance_failed();
        }
        self.owned().version += 1;
    }

    fn revoke(&self, member: &Member, list: &TopicPartitionList) {
        let gone: Vec<_> = {
            let owned = self.owned();
            let gone = list.elements().into_iter().filter_map(|entry| {
                owned.partitions.get(&Place::new(entry.topic(), entry.partition())).cloned()
            });
            gone.collect()
        };
        if member.assignment_lost() {
            // Somebody else has them by now: what we would commit would undo what they commit.
            for partition in &gone {
                partition.close();
                partition.cancel();
            }
        } else {
            self.drain(member, &gone);
        }
        let mut owned = self.owned();
        for partition in &gone {
            owned.partitions.remove(&partition.place);
        }
        owned.version += 1;
        drop(owned);
        let given = match member.rebalance_protocol() {
            RebalanceProtocol::Cooperative => member.incremental_unassign(list),
            _ => member.unassign(),
        };
        if given.is_err() {
            self.0.counters.rebalance_failed();
        }
    }

    fn owned(&self) -> MutexGuard<'_, Owned> {
        // Nothing under the lock can panic half-way.
        self.0.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Assignment {
    fn stats(&self, statistics: Statistics) {
        let owned = self.owned();
        for (topic, of_topic) in &statistics.topics {
            let topic: Arc<str> = topic.as_str().into();
            for (number, told) in &of_topic.partitions {
                if let Some(partition) = owned.partitions.get(&Place::new(topic.clone(), *number)) {
                    partition.ends_at(told.hi_offset);
                }
            }
        }
    }
}

impl ConsumerContext for Assignment {
    fn rebalance(&self, member: &Member, why: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.0.counters.rebalanced();
        match why {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(member, list),
            _ => self.revoke(member, list),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        self.answered(offsets, result.is_ok());
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assignment").field("owned", &self.owned().partitions.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rdkafka::{ClientConfig, config::FromClientConfigAndContext};
    use tenantkit_core::TierSet;

    use super::*;

    #[test]
    fn nothing_begins_while_a_partition_is_handed_over_and_what_runs_has_its_time() {
        let hour = Duration::from_secs(3600);
        let assignment = Assignment::new(hour, Arc::new(Counters::new(TierSet::METALS)));
        let mut config = ClientConfig::new();
        config.set("group.id", "documents").set("bootstrap.servers", "127.0.0.1:1");
        let member = Member::from_config_and_context(&config, assignment.clone()).unwrap();
        let partition = Arc::new(Partition::new(Place::new("documents", 0), None));
        assert!(partition.enter());
        let ours = Arc::clone(&partition);
        let drained = thread::spawn(move || assignment.drain(&member, &[ours]));
        let start = Instant::now();
        while partition.is_open() {
            assert!(start.elapsed() < PATIENCE, "it is not closed");
            thread::yield_now();
        }
        assert!(!partition.enter());
        // It cannot go on before the handler has ended.
        thread::sleep(Duration::from_millis(50));
        assert!(!drained.is_finished() && !partition.is_cancelled());
        partition.leave();
        drained.join().unwrap();
        assert!(partition.is_cancelled());
    }
}
