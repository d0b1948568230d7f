//! What others are told of documents: each change, after its commit.
//!
//! This is the seam to Kafka, and it has a gap: **the commit and the record are not one**. A change is
//! committed and never told where the process dies before the brokers have the record, where Kafka takes none
//! for longer than a caller waits (`PATIENCE`), and where it acknowledges none within two minutes, or, when the
//! service stops, within the time that it has for that. The document stands as it was written; the search has
//! what was before, until the document changes again. What was not told is in the log, but for what died with
//! the process.
//!
//! A transactional outbox closes the gap, in `Changes::commit` and nowhere else: the change becomes a row of
//! the same transaction, and a worker tells what rows there are.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tenantkit::{
    Authority, Error, Outgoing, TenantContext, TenantProducer, TenantTx, kafka::BuildError,
    otel::trace, task,
};
use tokio::sync::watch;
use tonic::Status;

use crate::config::Kafka;

/// How long a caller waits until the producer has taken a change. Not until the brokers have it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A change of a document, as it is told: JSON, under the document's id as the key.
///
/// `version` counts the changes of one document. Whoever keeps something of it ignores what is not newer.
#[derive(Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub(crate) enum Change<'a> {
    /// It was created or changed, and is this now.
    Written {
        id: String,
        version: i64,
        #[serde(borrow)]
        title: Cow<'a, str>,
        #[serde(borrow)]
        body: Cow<'a, str>,
    },
    /// It is gone, for good: no other document ever has its id.
    Deleted { id: String, version: i64 },
}

/// Tells changes, where there is a Kafka. A clone tells them through the same producer.
#[derive(Clone)]
pub struct Changes(Option<Teller>);

#[derive(Clone)]
struct Teller {
    producer: TenantProducer,
    topic: Arc<str>,
    /// Each commit that is under way has a receiver, whether its caller still waits or not.
    under_way: Arc<watch::Sender<()>>,
}

impl Changes {
    /// Told to nobody.
    #[must_use]
    pub const fn untold() -> Self {
        Self(None)
    }

    /// Told on Kafka. No broker is asked yet.
    ///
    /// # Errors
    ///
    /// When the authority has no key to seal records with, or the client does not take the brokers.
    pub fn told(kafka: &Kafka, authority: &Authority) -> Result<Self, BuildError> {
        let producer = TenantProducer::builder(authority)
            .set("bootstrap.servers", &kafka.brokers)
            .trace(trace::inject)
            .build()?;
        let (topic, under_way) = (kafka.topic.as_str().into(), Arc::new(watch::Sender::new(())));
        Ok(Self(Some(Teller { producer, topic, under_way })))
    }

    /// Whether they are told.
    #[must_use]
    pub const fn are_told(&self) -> bool {
        self.0.is_some()
    }

    /// Commits, and then tells what the transaction has changed. That a change is not told is no failure of
    /// the commit, and only logged.
    ///
    /// # Cancellation
    ///
    /// Both go on: a caller who hangs up while Postgres commits loses no change.
    pub(crate) async fn commit(
        &self,
        tx: TenantTx,
        tenant: &TenantContext,
        change: &Change<'_>,
    ) -> Result<(), Status> {
        let Some(teller) = self.0.clone() else {
            return Ok(tx.commit().await.map_err(Error::from)?);
        };
        let payload = serde_json::to_vec(change).map_err(|_| Status::internal("no JSON"))?;
        let (tenant, id) = (tenant.clone(), change.id().to_owned());
        let under_way = teller.under_way.subscribe();
        // Not `tokio::spawn`, which would leave the tenant's scope.
        let both = task::spawn(async move {
            let committed = tx.commit().await;
            if committed.is_ok() {
                teller.tell(&tenant, id, &payload).await;
            }
            drop(under_way);
            committed
        });
        let both = both.map_err(Error::from)?.await;
        let committed = both.map_err(|_| Status::internal("the commit panicked"))?;
        Ok(committed.map_err(Error::from)?)
    }

    /// Waits for the commits that are under way, and until the brokers have what was told, or it is lost.
    pub(crate) async fn flush(&self) {
        let Some(teller) = &self.0 else { return };
        teller.under_way.closed().await;
        if let Err(error) = teller.producer.flush().await {
            tracing::error!(error = &error as &dyn StdError, "changes were not told");
        }
    }
}

impl Change<'_> {
    /// The document.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Written { id, .. } | Self::Deleted { id, .. } => id,
        }
    }
}

impl Teller {
    async fn tell(&self, tenant: &TenantContext, id: String, payload: &[u8]) {
        let record = Outgoing::to(&self.topic).key(&id).payload(payload);
        let taken = self.producer.enqueue(tenant, record);
        let delivery = match tokio::time::timeout(PATIENCE, taken).await {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(error)) => return untold(&id, &error),
            Err(elapsed) => return untold(&id, &elapsed),
        };
        // As many of these as records are in flight, which the producer bounds.
        let acknowledged = task::spawn(async move {
            if let Err(error) = delivery.await {
                untold(&id, &error);
            }
        });
        // In a scope that has ended nobody awaits it; then `flush` tells.
        drop(acknowledged);
    }
}

/// The gap, where it is seen.
fn untold(id: &str, error: &(dyn StdError + 'static)) {
    tracing::error!(document = id, error, "a change was not told: the search does not have it");
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = self.0.as_ref().map(|teller| &teller.topic);
        f.debug_tuple("Changes").field(&topic).finish()
    }
}
