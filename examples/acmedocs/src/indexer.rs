//! The indexer: consumes the changes of documents, and keeps what is searched.
//!
//! A record comes at least once, and after a crash some come again: each is an upsert that nothing older
//! overwrites (`search`), so that this changes nothing. An inbox, which would let each have its
//! effects once whatever they are, is not needed for that.

use std::{error::Error as StdError, sync::Arc};

use sqlx::types::Uuid;
use tenantkit::{
    Authority, Clock, Error, TenantContext, TenantPool,
    kafka::{ConsumeError, ConsumerHandle, Failure, Incoming, InvalidConsumer, TenantConsumer},
    otel::{
        top::{TopTenants, Used},
        trace,
    },
};

use crate::{
    changes::Change,
    config::Kafka,
    search::{self, Text},
};

/// What a record that is no change has for its reason in the dead letter topic.
pub const NOT_A_CHANGE: &str = "not-a-change";

/// Consumes the changes of documents.
#[derive(Debug)]
pub struct Indexer {
    consumer: TenantConsumer,
    pool: TenantPool,
    clock: Arc<dyn Clock>,
    top: Option<Arc<TopTenants>>,
}

impl Indexer {
    /// Indexes with so many `handlers` at once, each with a connection of the pool. No broker is asked yet.
    ///
    /// # Errors
    ///
    /// When the client does not take the brokers.
    pub fn new(
        kafka: &Kafka,
        authority: &Authority,
        pool: TenantPool,
        handlers: usize,
    ) -> Result<Self, InvalidConsumer> {
        let consumer = TenantConsumer::builder(authority)
            .set("bootstrap.servers", &kafka.brokers)
            .group(&kafka.group)
            .topic(&kafka.topic)
            .dead_letters(&kafka.dead_letter_topic)
            .concurrency(handlers)
            .trace(trace::adopt)
            .build()?;
        Ok(Self { consumer, pool, clock: Arc::clone(authority.clock()), top: None })
    }

    /// Counts who is heavy: how long records take, and how long they wait for their turn.
    #[must_use]
    pub fn counting(self, top: Arc<TopTenants>) -> Self {
        Self { top: Some(top), ..self }
    }

    /// To shut it down, and to see how it stands.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        self.consumer.handle()
    }

    /// Indexes until it is shut down.
    ///
    /// # Errors
    ///
    /// As [`TenantConsumer::run`].
    pub async fn run(self) -> Result<(), ConsumeError> {
        let Self { consumer, pool, clock, top } = self;
        consumer
            .run(move |tenant, record| {
                let (pool, clock, top) = (pool.clone(), Arc::clone(&clock), top.clone());
                async move {
                    let began = clock.monotonic();
                    let indexed = index(&pool, &tenant, &record).await;
                    if let Some(top) = top {
                        let took = clock.monotonic().saturating_sub(began);
                        top.record(&tenant, Used::work().took(took).waited(record.waited()));
                    }
                    indexed.inspect_err(|why| log(why, &record)).map_err(NotIndexed::into_failure)
                }
            })
            .await
    }
}

/// Why a change was not indexed.
#[derive(Debug, thiserror::Error)]
enum NotIndexed {
    #[error("the record is no change")]
    NoChange,
    #[error(transparent)]
    Failed(#[from] Error),
}

async fn index(
    pool: &TenantPool,
    tenant: &TenantContext,
    record: &Incoming,
) -> Result<(), NotIndexed> {
    let payload = record.payload().ok_or(NotIndexed::NoChange)?;
    let change: Change<'_> = serde_json::from_slice(payload).map_err(|_| NotIndexed::NoChange)?;
    let id: Uuid = change.id().parse().map_err(|_| NotIndexed::NoChange)?;
    let (version, text) = match &change {
        Change::Written { version, title, body, .. } => (*version, Text::Is { title, body }),
        Change::Deleted { version, .. } => (*version, Text::Gone),
    };
    let mut tx = pool.begin(tenant).await.map_err(Error::from)?;
    search::put(&mut tx, id, version, text).await.map_err(Error::from)?;
    tx.commit().await.map_err(Error::from)?;
    Ok(())
}

impl NotIndexed {
    fn into_failure(self) -> Failure {
        match self {
            Self::NoChange => Failure::permanent(NOT_A_CHANGE),
            // A database that is gone is no fault of the record's, and makes no dead letter.
            Self::Failed(error) => error.into_failure(),
        }
    }
}

/// Where the record is, and nothing of what is in it.
fn log(why: &NotIndexed, record: &Incoming) {
    let (partition, offset, attempt) = (record.partition(), record.offset(), record.attempt());
    let error: &dyn StdError = why;
    tracing::warn!(partition, offset, attempt, error, "a change was not indexed");
}
