//! [`Delivery`]: what becomes of a record that was handed over.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use rdkafka::error::KafkaError;
use tokio::sync::oneshot::{self, Receiver, Sender};

use super::in_flight::Room;
use crate::Error;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

type Outcome = Result<Delivered, KafkaError>;

/// A record that was handed over. It ends when all replicas in sync have the record, or when it failed.
///
/// Dropped, the record is sent all the same.
#[derive(Debug)]
pub struct Delivery {
    outcome: Receiver<Outcome>,
    failed: Arc<Failed>,
}

/// What goes with a record through librdkafka, and comes back with its fate.
pub(crate) struct Ticket {
    outcome: Sender<Outcome>,
    failed: Arc<Failed>,
    _room: Room,
}

/// How many records failed of which nobody was told.
#[derive(Debug, Default)]
pub(crate) struct Failed(AtomicU64);

impl Failed {
    fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Ticket {
    pub(crate) fn new(room: Room, failed: &Arc<Failed>) -> (Self, Delivery) {
        let (sender, outcome) = oneshot::channel();
        let delivery = Delivery { outcome, failed: Arc::clone(failed) };
        (Self { outcome: sender, failed: Arc::clone(failed), _room: room }, delivery)
    }

    /// Tells what became of the record, and gives its room back after that.
    pub(crate) fn done(self, outcome: Outcome) {
        if let Err(Err(_)) = self.outcome.send(outcome) {
            self.failed.one();
        }
    }
}

impl Future for Delivery {
    type Output = Result<Delivered, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(cx).map(|told| match told {
            Ok(outcome) => outcome.map_err(Error::Delivery),
            Err(_) => Err(Error::Ended),
        })
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.outcome.close();
        // It was told, and nobody listened.
        if let Ok(Err(_)) = self.outcome.try_recv() {
            self.failed.one();
        }
    }
}
