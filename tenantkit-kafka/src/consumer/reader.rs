//! [`Reader`]: the thread that reads, decides whose each record is, and commits.
//!
//! It is the only one that speaks to librdkafka's consumers, so that a commit, a rebalance and a record that
//! was read are in one order. Handlers run elsewhere and never hold it up: the group does not take it for dead
//! because a handler is slow.

mod back;
mod found;
mod owned;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    Message, consumer::Consumer, error::KafkaError, message::BorrowedMessage,
    types::RDKafkaErrorCode,
};

pub(super) use self::back::Back;
use self::{found::Found, owned::Owned};
use super::{
    ConsumeError,
    assignment::{Assignment, Member},
    counters::Counters,
    incoming::Record,
    judge::{Judge, Judged},
    lane::Lane,
    policy::timestamp_of,
    queue::{self, Queue},
    room::Room,
    settings::Settings,
    task::Task,
};
use crate::Headers;
use tenantkit_limit::fair::Work;

/// How long to wait for a record when nothing else is to be done.
const IDLE: Duration = Duration::from_millis(20);
/// How long when room is waited for.
const TIGHT: Duration = Duration::from_millis(2);
/// How many records are read before anything else is looked at.
const BURST: usize = 128;
/// How many are verified before they are given to the workers, where so many are there. The workers are
/// faster than that: given one at a time, they would go to sleep and be woken for each.
const TOGETHER: usize = 16;

/// What the reader and the workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    pub(super) judge: Arc<Judge>,
    pub(super) room: Room,
    pub(super) assignment: Assignment,
    pub(super) counters: Arc<Counters>,
    pub(super) settings: Settings,
    pub(super) stops: AtomicBool,
}

pub(super) struct Reader {
    shared: Arc<Shared>,
    member: Member,
    back: Back,
    partitions: Vec<Owned>,
    version: u64,
    committed: Instant,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, member: Member, back: Back) -> Self {
        Self { shared, member, back, partitions: Vec::new(), version: 0, committed: Instant::now() }
    }

    /// Reads until it is told to stop, and then hands over what is ours.
    pub(super) fn run(mut self) -> Result<(), ConsumeError> {
        let mut outcome = Ok(());
        while !self.shared.stops.load(SeqCst) {
            if let Err(fatal) = self.turn() {
                outcome = Err(fatal);
                break;
            }
        }
        let partitions = self.shared.assignment.partitions();
        self.shared.assignment.drain(&self.member, &partitions);
        self.shared.stops.store(true, SeqCst);
        outcome
    }

    fn turn(&mut self) -> Result<(), ConsumeError> {
        let is_tight = self.partitions.iter().any(Owned::is_behind);
        let mut wait = if is_tight { TIGHT } else { IDLE };
        let mut found = Vec::with_capacity(TOGETHER);
        for _ in 0..BURST {
            // A rebalance happens in here.
            let polled = self.member.poll(wait);
            wait = Duration::ZERO;
            match polled {
                None => break,
                Some(Ok(message)) => {
                    found.extend(Found::look(&self.shared, &mut self.partitions, message));
                }
                Some(Err(error)) => self.shared.tell(&error)?,
            }
            if found.len() == TOGETHER {
                found::take(&self.shared, &mut self.partitions, found.drain(..));
            }
        }
        found::take(&self.shared, &mut self.partitions, found);
        if self.version != self.shared.assignment.version() {
            self.reassign()?;
        }
        self.back.turn(&self.shared, &mut self.partitions)?;
        self.bound_the_head();
        if self.committed.elapsed() >= self.shared.settings.commit_every {
            self.committed = Instant::now();
            self.shared.assignment.commit(&self.member);
            let left = self.partitions.iter().map(|owned| owned.left.len()).sum();
            self.shared.counters.left_behind.store(left, SeqCst);
        }
        Ok(())
    }

    /// The partitions are others.
    fn reassign(&mut self) -> Result<(), ConsumeError> {
        self.version = self.shared.assignment.version();
        let partitions = self.shared.assignment.partitions();
        let is_ours =
            |owned: &Owned| partitions.iter().any(|ours| Arc::ptr_eq(ours, &owned.partition));
        self.partitions.retain(is_ours);
        for partition in partitions {
            if !self.partitions.iter().any(|owned| Arc::ptr_eq(&partition, &owned.partition)) {
                self.partitions.push(Owned::new(partition));
            }
        }
        // What waits of those that are gone is somebody else's.
        drop(self.shared.queue.take(|_, task| !task.partition.is_open()));
        self.back.assign(&self.shared, &mut self.partitions)
    }

    /// What was left behind and what is done beyond it take a little memory: so far ahead, and no further.
    fn bound_the_head(&mut self) {
        for owned in &mut self.partitions {
            let Some(is_paused) = owned.pauses(self.shared.settings.read_ahead) else { continue };
            let list = owned.list();
            let told = if is_paused { self.member.pause(&list) } else { self.member.resume(&list) };
            if told.is_err() {
                self.shared.counters.error();
            }
        }
    }
}

impl Shared {
    /// Takes a record into memory and the queue. `false` if there is no room for it.
    fn admit(
        &self,
        owned: &Owned,
        message: &BorrowedMessage<'_>,
        headers: Headers,
        judged: Judged,
    ) -> bool {
        let Judged { lane, tier, what } = judged;
        let keep = |bytes: Option<&[u8]>| bytes.map(Box::from);
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let bytes = len(message.key()) + len(message.payload()) + headers.bytes();
        let Some(room) = self.room.take(lane, bytes) else { return false };
        let partition = &owned.partition;
        let record = Record {
            place: partition.place.clone(),
            offset: message.offset(),
            timestamp: timestamp_of(message),
            key: keep(message.key()),
            payload: keep(message.payload()),
            headers,
        };
        let offset = record.offset;
        let task = Task::new(partition, record, what, tier, room);
        let work = Work::new(Arc::clone(&task));
        let work = match task.record.key.as_deref() {
            Some(key) => work.in_order_of(key),
            None => work,
        };
        partition.at(offset, |progress| progress.take(offset));
        if self.queue.push(&lane, queue::class(tier), work).is_err() {
            partition.at(offset, |progress| progress.leave(offset));
            return false;
        }
        true
    }

    /// Whether an error of librdkafka ends everything. What passes is counted.
    fn tell(&self, error: &KafkaError) -> Result<(), ConsumeError> {
        use RDKafkaErrorCode as Code;
        let is_final = match error {
            KafkaError::MessageConsumptionFatal(_) => true,
            KafkaError::MessageConsumption(code) => matches!(
                code,
                Code::GroupAuthorizationFailed
                    | Code::TopicAuthorizationFailed
                    | Code::SaslAuthenticationFailed
                    | Code::InvalidGroupId
            ),
            _ => false,
        };
        if is_final {
            return Err(ConsumeError::Kafka(error.clone()));
        }
        self.counters.error();
        Ok(())
    }
}

/// The lane that a record says it belongs to.
fn claimed(headers: &Headers) -> Lane {
    match headers.identity() {
        Ok(identity) => identity.tenant.map_or(Lane::Unverified, Lane::Tenant),
        Err(_) => Lane::Unverified,
    }
}
