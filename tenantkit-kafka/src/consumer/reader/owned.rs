//! [`Owned`]: what the reader knows of a partition.

use std::sync::Arc;

use rdkafka::{Message, TopicPartitionList, message::BorrowedMessage};

use super::super::{left::Left, partition::Partition};

/// How many ranges of what is done are remembered of a partition, about 3 MiB of them.
const MOST_RANGES: usize = 65_536;

pub(super) struct Owned {
    pub(super) partition: Arc<Partition>,
    pub(super) left: Left,
    /// The first reader has gone as far ahead as it may.
    is_paused: bool,
}

impl Owned {
    pub(super) fn new(partition: Arc<Partition>) -> Self {
        Self { partition, left: Left::default(), is_paused: false }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.is_paused || !self.left.is_empty()
    }

    /// Whether the first reader is to be paused or to read on, where that is another than before.
    pub(super) fn pauses(&mut self, read_ahead: i64) -> Option<bool> {
        let (span, ranges) =
            self.partition.progress(|progress| (progress.span(), progress.ranges()))?;
        let pauses = if self.is_paused {
            span > read_ahead / 2 || ranges > MOST_RANGES / 2
        } else {
            span > read_ahead || ranges > MOST_RANGES
        };
        let is_news = pauses != self.is_paused;
        self.is_paused = pauses;
        is_news.then_some(pauses)
    }

    /// For a call that takes a list of partitions.
    pub(super) fn list(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.partition.place.topic, self.partition.place.partition);
        list
    }
}

/// The partition of a record, if it is ours.
pub(super) fn find<'o>(
    partitions: &'o mut [Owned],
    message: &BorrowedMessage<'_>,
) -> Option<&'o mut Owned> {
    position(partitions, message).map(|at| &mut partitions[at])
}

/// Which of them it is.
pub(super) fn position(partitions: &[Owned], message: &BorrowedMessage<'_>) -> Option<usize> {
    partitions.iter().position(|owned| {
        let place = &owned.partition.place;
        place.partition == message.partition() && *place.topic == *message.topic()
    })
}
