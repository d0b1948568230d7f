//! Transaction tokens.

use std::sync::Arc;

use crate::{Claim, IdentitySource, Presented, Reason, Source, TenantContext, UnixTime};

/// Verifies transaction tokens, and mints them where there is a signing key.
#[derive(Debug, Clone)]
pub struct TxnTokens {}

impl TxnTokens {
    /// Mints a token for a context: the token, and when it expires.
    pub(crate) fn mint(
        &self,
        _context: &TenantContext,
        _now: UnixTime,
    ) -> Result<(Arc<str>, UnixTime), Reason> {
        Err(Reason::CannotMint)
    }
}

impl IdentitySource for TxnTokens {
    fn source(&self) -> Source {
        Source::TxnToken
    }

    fn headers(&self) -> &[&'static str] {
        &["txn-token"]
    }

    fn claim(&self, _presented: &Presented<'_>, _now: UnixTime) -> Result<Option<Claim>, Reason> {
        Err(Reason::UnknownKey)
    }
}
