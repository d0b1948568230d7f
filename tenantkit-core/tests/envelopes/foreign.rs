//! Envelopes that another language's libraries made. `fixtures/envelopes.py` says which and how.

use serde_json::Value;
use tenantkit_core::{Envelopes, KeySet, Reason, TierSet, WireRecord, test_util::TestAuthority};

use crate::common::DOMAIN;

const FIXTURES: &str = include_str!("../fixtures/envelopes.json");

fn bytes(hex: &Value) -> Option<Vec<u8>> {
    let hex = hex.as_str()?;
    let pairs = (0..hex.len()).step_by(2);
    Some(pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect())
}

#[test]
fn envelopes_of_other_libraries_are_opened_for_their_record_alone() {
    let fixtures: Value = serde_json::from_str(FIXTURES).unwrap();
    let keys = KeySet::parse(&fixtures["keys"].to_string()).unwrap();
    let envelopes = Envelopes::new(DOMAIN, "search", keys).unwrap();
    let test = TestAuthority::with(TierSet::METALS, |it| it.envelopes(envelopes));
    let given = fixtures["envelopes"].as_array().unwrap();
    assert_eq!(given.len(), 20, "two libraries, two algorithms, five records");
    for one in given {
        let (key, payload) = (bytes(&one["key"]), bytes(&one["payload"]));
        let is_compacted = one["compacted"].as_bool().unwrap();
        let (key, payload) = (key.as_deref(), payload.as_deref());
        let record = WireRecord::new("documents", key, payload).compacted(is_compacted);
        let acme = "acme".parse().unwrap();
        let open = |record: &WireRecord<'_>| {
            let envelope = one["envelope"].as_str().unwrap();
            test.authority().open(Some(&acme), envelope, record).map_err(|it| it.reason())
        };
        let context = open(&record).unwrap().context().unwrap();
        assert_eq!(context.tenant(), "acme");
        assert_eq!(context.subject().sub().as_str(), "älice");

        let other = WireRecord::new("documents", key, Some(b"other")).compacted(is_compacted);
        assert_eq!(open(&other).unwrap_err(), Reason::WrongPayload);
        let other = WireRecord::new("documents", Some(b"8"), payload).compacted(is_compacted);
        assert_eq!(open(&other).unwrap_err(), Reason::WrongRecordKey);
        assert_eq!(open(&record.compacted(!is_compacted)).unwrap_err(), Reason::BadClaim);
    }
}
