//! Dead letters: what becomes of a record that nobody could handle.
//!
//! A dead letter has the key and the payload of its record, says in headers where the record was, whose it
//! is if that was verified, and why it came here, and keeps the record's own headers verbatim under other
//! names. So it carries no identity of its own: nothing signs it, and nobody takes it for the record.
//!
//! | header | what |
//! |---|---|
//! | `tenantkit_topic`, `tenantkit_partition`, `tenantkit_offset` | where the record was |
//! | `tenantkit_timestamp` | its time, in milliseconds since 1970 |
//! | `tenantkit_tenant` | whose it is; absent where that could not be verified |
//! | `tenantkit_code` | a refusal's code, or why it was given up ([below](#given-up)) |
//! | `tenantkit_reason` | a refusal's reason, or the word that the handler gave |
//! | `tenantkit_attempts` | how often a handler tried; 0 where none did |
//! | `tenantkit_group` | the group that gave it up |
//! | `tenantkit_cut` | `true` where the letter has not all of the record, because it would be too large |
//! | `tenantkit_original.<name>` | a header of the record, its value verbatim, null included |
//!
//! # Given up
//!
//! | code | a record of which |
//! |---|---|
//! | `permanent` | the handler said that it will never be handled |
//! | `attempts-spent` | each attempt failed that the [retries](crate::TenantConsumerBuilder::retries) allow |
//! | `budget-spent` | an attempt failed, and its tenant has retried as much as its [budget](crate::TenantConsumerBuilder::retry_budget) allows: no attempt is left for it, however few were made |
//! | `wait-too-long` | the handler asked for a longer wait than a retry may take |
//!
//! A byte of an original name that is not printable ASCII, or is `%`, is written as `%` and two hexadecimal
//! digits. librdkafka shows a name only up to its first NUL: one that goes on there ends in `%00`.
//!
//! Read one with [`DeadLetter::of`].

mod name;
mod writer;

use rdkafka::message::{Header, OwnedHeaders};
use tenantkit_core::{Reason, Refusal, RefusalCode, TenantId, UnixTime};

pub(crate) use self::writer::DeadLetters;
use crate::{Headers, consumer::Record};

const TOPIC: &str = "tenantkit_topic";
const PARTITION: &str = "tenantkit_partition";
const OFFSET: &str = "tenantkit_offset";
const TIMESTAMP: &str = "tenantkit_timestamp";
const TENANT: &str = "tenantkit_tenant";
const CODE: &str = "tenantkit_code";
const REASON: &str = "tenantkit_reason";
const ATTEMPTS: &str = "tenantkit_attempts";
const GROUP: &str = "tenantkit_group";
const CUT: &str = "tenantkit_cut";
const ORIGINAL: &str = "tenantkit_original.";

/// What a dead letter says of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The record's topic.
    pub topic: String,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The record's time.
    pub timestamp: Option<UnixTime>,
    /// Whose the record is, as the consumer verified it. Whoever can write to the dead letter topic can
    /// write this: replay verifies again.
    pub tenant: Option<TenantId>,
    /// Why it came here, in one of few words.
    pub code: String,
    /// Why, more closely.
    pub reason: String,
    /// How often a handler tried.
    pub attempts: u32,
    /// The group that gave it up.
    pub group: String,
    /// Whether something of the record is missing.
    pub is_cut: bool,
    /// The record's headers.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Why a record is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) code: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) attempts: u32,
    /// To be handled when the tenant may act again.
    pub(crate) is_parked: bool,
}

impl Verdict {
    /// A door said no.
    pub(crate) fn refused(refusal: Refusal, tenant: Option<TenantId>, attempts: u32) -> Self {
        let (code, reason): (RefusalCode, Reason) = (refusal.code(), refusal.reason());
        Self {
            tenant,
            code: code.as_str(),
            reason: reason.as_str(),
            attempts,
            is_parked: code == RefusalCode::Suspended,
        }
    }
}

impl DeadLetter {
    /// Reads the headers of a record of a dead letter topic. `None` when it is no dead letter.
    #[must_use]
    pub fn of(headers: &Headers) -> Option<Self> {
        let text = |name: &str| {
            let mut found = headers.iter().filter(|header| header.name == name.as_bytes());
            let value = found.next()?.value?;
            // Twice is not once.
            found.next().is_none().then(|| std::str::from_utf8(value).ok()).flatten()
        };
        let original = |name: &[u8]| name::decode(name.strip_prefix(ORIGINAL.as_bytes())?);
        Some(Self {
            topic: text(TOPIC)?.to_owned(),
            partition: text(PARTITION)?.parse().ok()?,
            offset: text(OFFSET)?.parse().ok()?,
            timestamp: text(TIMESTAMP).and_then(|at| Some(UnixTime::from_millis(at.parse().ok()?))),
            tenant: text(TENANT).and_then(|tenant| tenant.parse().ok()),
            code: text(CODE)?.to_owned(),
            reason: text(REASON)?.to_owned(),
            attempts: text(ATTEMPTS)?.parse().ok()?,
            group: text(GROUP).unwrap_or_default().to_owned(),
            is_cut: text(CUT).is_some(),
            headers: headers
                .iter()
                .filter_map(|header| {
                    Some((original(header.name)?, header.value.map(<[u8]>::to_vec)))
                })
                .collect(),
        })
    }
}

/// How much of a record goes into its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of it.
    Whole,
    /// Where it was, and nothing of what was in it.
    Coordinates,
}

fn headers_of(record: &Record, verdict: &Verdict, group: &str, extent: Extent) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(10 + record.headers.len());
    let mut add = |key: &str, value: Option<&[u8]>| {
        let all = std::mem::take(&mut headers);
        headers = all.insert(Header { key, value });
    };
    add(TOPIC, Some(record.place.topic.as_bytes()));
    add(PARTITION, Some(record.place.partition.to_string().as_bytes()));
    add(OFFSET, Some(record.offset.to_string().as_bytes()));
    if let Some(at) = record.timestamp {
        add(TIMESTAMP, Some(at.as_millis().to_string().as_bytes()));
    }
    if let Some(tenant) = &verdict.tenant {
        add(TENANT, Some(tenant.as_bytes()));
    }
    add(CODE, Some(verdict.code.as_bytes()));
    add(REASON, Some(verdict.reason.as_bytes()));
    add(ATTEMPTS, Some(verdict.attempts.to_string().as_bytes()));
    add(GROUP, Some(group.as_bytes()));
    if extent == Extent::Coordinates {
        add(CUT, Some(b"true"));
        return headers;
    }
    for header in record.headers.iter() {
        let mut name = ORIGINAL.to_owned();
        name::encode(header.name, header.is_whole, &mut name);
        add(&name, header.value);
    }
    headers
}
