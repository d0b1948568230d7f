//! [`Page`]: what a debug endpoint answers, for whatever serves it.

use serde::Serialize;

/// What a debug endpoint answers. It must not be cached: it names tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status: 200, 400 or 404.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// What `Cache-Control` is to say.
    pub cache_control: &'static str,
    /// The body.
    pub body: String,
}

impl Page {
    /// How many of each ranking are shown, if nobody says.
    pub const FIRST: usize = 10;

    pub(crate) const fn new(status: u16, content_type: &'static str, body: String) -> Self {
        Self { status, content_type, cache_control: "no-store", body }
    }

    pub(crate) fn json(of: &impl Serialize) -> Self {
        // Numbers, texts and lists of them: none fails.
        Self::new(200, "application/json", serde_json::to_string(of).unwrap_or_default())
    }
}
