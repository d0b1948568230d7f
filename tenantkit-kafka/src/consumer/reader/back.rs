//! [`Back`]: the second reader, which goes back for what was left behind.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
    message::BorrowedMessage,
};

use super::{
    super::{ConsumeError, left::Next, policy::Wire},
    BURST, Owned, Shared, claimed, owned,
};

/// How long the brokers have to answer what only they know.
const PATIENCE: Duration = Duration::from_secs(5);
/// After how long without a record it is asked whether what is looked for is still there.
const SILENCE: Duration = Duration::from_secs(2);

/// A consumer that is no member of the group. It is there from when it is first needed.
pub(in super::super) struct Back {
    config: ClientConfig,
    consumer: Option<BaseConsumer>,
    heard: Instant,
}

impl Back {
    pub(in super::super) fn new(config: ClientConfig) -> Self {
        Self { config, consumer: None, heard: Instant::now() }
    }

    /// The partitions are others: all are there and none is read, until somebody was left behind.
    pub(super) fn assign(
        &mut self,
        shared: &Shared,
        partitions: &mut [Owned],
    ) -> Result<(), ConsumeError> {
        let Some(consumer) = &self.consumer else { return Ok(()) };
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for owned in &mut *partitions {
            owned.left.give_up();
            let place = &owned.partition.place;
            // Nothing is read from there, but that is where it would begin.
            let added = list.add_partition_offset(&place.topic, place.partition, Offset::End);
            debug_assert!(added.is_ok(), "it was just added");
        }
        if let Err(error) = consumer.assign(&list).and_then(|()| consumer.pause(&list)) {
            shared.tell(&error)?;
        }
        Ok(())
    }

    /// Sends it where it is needed, and takes what it found.
    pub(super) fn turn(
        &mut self,
        shared: &Shared,
        partitions: &mut [Owned],
    ) -> Result<(), ConsumeError> {
        if partitions.iter().all(|owned| owned.left.is_empty()) {
            // Events of its own are still to be served.
            if let Some(consumer) = &self.consumer {
                drop(consumer.poll(Duration::ZERO));
            }
            return Ok(());
        }
        if self.consumer.is_none() {
            self.consumer = Some(self.config.create().map_err(ConsumeError::Kafka)?);
            self.assign(shared, partitions)?;
        }
        let Some(consumer) = &self.consumer else { return Ok(()) };
        for owned in &mut *partitions {
            if let Some(start) = owned.left.start(|lane| shared.room.is_wide(lane)) {
                self.heard = Instant::now();
                if go_to(consumer, owned, start).is_err() {
                    owned.left.give_up();
                    shared.counters.error();
                }
            }
        }
        for _ in 0..BURST {
            match consumer.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    self.heard = Instant::now();
                    let Some(owned) = owned::find(partitions, &message) else { continue };
                    if second(shared, owned, message) == Next::Stop {
                        // It may be that it was taken from us just now.
                        let _ = consumer.pause(&owned.list());
                    }
                }
                Some(Err(error)) => shared.tell(&error)?,
            }
        }
        if self.heard.elapsed() > SILENCE {
            self.heard = Instant::now();
            look_for_the_gone(consumer, partitions);
        }
        Ok(())
    }
}

fn go_to(consumer: &BaseConsumer, owned: &Owned, start: i64) -> KafkaResult<()> {
    let place = &owned.partition.place;
    consumer.resume(&owned.list())?;
    // When this returns, what was fetched before is gone.
    consumer.seek(&place.topic, place.partition, Offset::Offset(start), PATIENCE)
}

/// A record that the second reader has come to.
fn second(shared: &Shared, owned: &mut Owned, mut message: BorrowedMessage<'_>) -> Next {
    let offset = message.offset();
    let Some(at) = owned.left.at().filter(|at| *at <= offset) else {
        return if owned.left.at().is_some() { Next::ReadOn } else { Next::Stop };
    };
    let (is_left, head) = owned.partition.at(offset, |progress| {
        // What should lie before it is not there any more.
        progress.forget(at, offset.min(progress.head()));
        (progress.is_left(offset), progress.head())
    });
    if is_left {
        take(shared, owned, &mut message);
    }
    owned.left.passed(offset, head)
}

/// A record that was left behind, and is taken now if its lane may.
fn take(shared: &Shared, owned: &mut Owned, message: &mut BorrowedMessage<'_>) {
    let offset = message.offset();
    let (headers, readable) = shared.judge.policy.look(message);
    if owned.left.passes(&claimed(&headers)) {
        return;
    }
    let at = (&owned.partition.place, offset);
    let judged = shared.judge.judge(&Wire::of(message), &headers, readable, at);
    let lane = judged.lane;
    if owned.left.passes(&lane) {
        return;
    }
    if shared.admit(owned, message, headers, judged) {
        owned.left.took(lane, offset);
    } else {
        owned.left.no_room(lane, offset);
    }
}

/// What is older than the topic keeps is not there any more, and nobody waits for it for ever.
fn look_for_the_gone(consumer: &BaseConsumer, partitions: &mut [Owned]) {
    for owned in partitions {
        let Some(at) = owned.left.at() else { continue };
        let place = &owned.partition.place;
        let Ok((oldest, _)) = consumer.fetch_watermarks(&place.topic, place.partition, PATIENCE)
        else {
            continue;
        };
        if oldest > at {
            owned.partition.at(at, |progress| progress.forget(at, oldest.min(progress.head())));
        }
        // It begins again, where the first is that is left.
        owned.left.give_up();
    }
}
