//! What each tenant may do: a document, read at the start and again whenever it changes.

use std::{fs, io, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use tenantkit::{
    Authority,
    limit::{
        admission::{Admission, InvalidThresholds},
        concurrency::{Gradient2, Limit},
        limits::{CannotReplace, InvalidLimits, Limits},
        policy::{InvalidDocument, LimitPolicy},
    },
};

use crate::{
    Config,
    config::{Capacity, TIERS},
};

/// What the document speaks of: all of these, and nothing else. The edge limits what a caller `reads`
/// and `writes` and the reports that it `exports`; the documents service the `calls` that it takes, of
/// whatever kind and from whichever service.
pub const RESOURCES: [&str; 4] = ["calls", "exports", "reads", "writes"];

/// How often the document is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Why there are no limits, or not these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// The document cannot be read.
    #[error("limits: cannot read {}: {source}", file.display())]
    File {
        /// What the configuration names.
        file: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// It is none. The message begins with the line.
    #[error(transparent)]
    Document(#[from] InvalidDocument),
    /// It leaves a resource out, or has one that nothing is limited by.
    #[error("limits: the document has to speak of {}, and of nothing else", RESOURCES.join(", "))]
    Resources,
    /// It is none for these tenants, or the capacity is none.
    #[error("limits: {0}")]
    Build(#[from] InvalidLimits),
    /// Nothing can be shed by the thresholds of the capacity.
    #[error("capacity: {0}")]
    Thresholds(#[from] InvalidThresholds),
    /// It cannot take the place of the one in force.
    #[error("limits: {0}")]
    Replace(#[from] CannotReplace),
}

/// The limits of both services, by one document. Each counts for itself, as two processes would.
#[derive(Debug)]
pub struct Limited {
    /// What the edge lets in.
    pub edge: Limits,
    /// What the documents service lets in.
    pub documents: Limits,
    file: PathBuf,
    /// The document, as it was last seen.
    seen: Result<String, io::ErrorKind>,
}

impl Limited {
    /// As the configuration says; `None` where it limits nothing.
    ///
    /// # Errors
    ///
    /// When the document cannot be read, or is not as it has to be, with the line; when the capacity is
    /// none.
    pub fn by(
        config: &Config,
        edge: &Authority,
        documents: &Authority,
    ) -> Result<Option<Self>, LimitsError> {
        let Some(file) = config.limits.clone() else { return Ok(None) };
        let text = fs::read_to_string(&file);
        let text = text.map_err(|source| LimitsError::File { file: file.clone(), source })?;
        let policy = policy(&text)?;
        let documents = Limits::builder(documents, policy.clone()).build()?;
        let mut limits = Limits::builder(edge, policy);
        if let Some(capacity) = config.capacity {
            let admission = admission(capacity, edge)?;
            limits = limits.concurrency(|it| it.global(global(capacity))).admission(admission);
        }
        Ok(Some(Self { edge: limits.build()?, documents, file, seen: Ok(text) }))
    }

    /// Puts each good change of the document into force. What tenants have taken and have under way
    /// still counts. A bad one is told, and the last good one stays in force.
    ///
    /// # Cancellation
    ///
    /// No change is taken by half.
    pub async fn follow(mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            // Its text, because two changes can have the same time.
            let now = tokio::fs::read_to_string(&self.file).await;
            let seen = now.as_ref().map_err(io::Error::kind).cloned();
            if seen == self.seen {
                continue;
            }
            self.seen = seen;
            match self.take(now) {
                Ok(()) => tracing::info!("the limits have changed"),
                Err(error) => tracing::error!("{error}. The limits stay as they were"),
            }
        }
    }

    fn take(&self, text: io::Result<String>) -> Result<(), LimitsError> {
        let text = text.map_err(|source| LimitsError::File { file: self.file.clone(), source })?;
        let policy = policy(&text)?;
        // What one takes the other does as well: they have had the same documents.
        self.edge.replace(policy.clone())?;
        Ok(self.documents.replace(policy)?)
    }
}

fn policy(text: &str) -> Result<LimitPolicy, LimitsError> {
    let policy = LimitPolicy::from_toml(TIERS, text)?;
    if policy.resources().eq(RESOURCES) { Ok(policy) } else { Err(LimitsError::Resources) }
}

fn global(capacity: Capacity) -> Limit {
    let least = capacity.global_in_flight.get();
    let learned = |most: NonZeroU32| Limit::gradient2(Gradient2::between(least, most.get()));
    capacity.adaptive_up_to.map_or(Limit::fixed(least), learned)
}

fn admission(capacity: Capacity, authority: &Authority) -> Result<Admission, LimitsError> {
    let millis = |millis: NonZeroU32| Duration::from_millis(millis.get().into());
    let (first, last) = (capacity.shed_after_ms, capacity.shed_all_after_ms);
    let admission = Admission::builder(TIERS).thresholds(millis(first), millis(last));
    Ok(admission.clock(Arc::clone(authority.clock())).build()?)
}
