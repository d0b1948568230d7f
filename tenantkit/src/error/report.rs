//! What is answered as a fault of the service is told to whoever runs it.

use tenantkit_core::Refusal;

use super::Error;

impl Error {
    /// [`Self::refusal`], for an answer. What lies behind it is a fault where it is no door's decision:
    /// a database or a service that does not answer.
    pub(super) fn answered_refusal(&self) -> Option<Refusal> {
        let refusal = self.refusal()?;
        if !matches!(self, Self::Refused(_)) {
            self.report();
        }
        Some(refusal)
    }

    /// Tells a fault with its sources, which the answer leaves out.
    #[cfg(feature = "tracing")]
    pub(super) fn report(&self) {
        let mut sources = String::new();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            sources.push_str(": ");
            sources.push_str(&error.to_string());
            source = error.source();
        }
        tracing::error!(target: "tenantkit::error", error = %self, sources, "answered as a fault");
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "tells only with the feature `tracing`")]
    pub(super) const fn report(&self) {}
}
