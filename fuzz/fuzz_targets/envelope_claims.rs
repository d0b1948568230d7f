//! Header and claims behind a signature that holds: what a trusted workload could send. The two are
//! split at the first line break.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenantkit_core::{
    Algorithm, Envelopes, KeySet, KeyTerms, KeyUse, SigningKey, TierSet, WireRecord,
    test_util::{TestAuthority, sign},
};

const HEADER: &str = r#"{"alg":"EdDSA","typ":"tenant-envelope+jwt","kid":"k"}"#;

static SETUP: LazyLock<(SigningKey, TestAuthority)> = LazyLock::new(|| {
    let terms = KeyTerms::new("k".parse().unwrap(), KeyUse::Envelope, "edge".parse().unwrap());
    let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    let envelopes = Envelopes::new("acmedocs.example", "search", keys).unwrap();
    // What is refused is audited and kept: one of each window is enough here.
    let (one, window) = (std::num::NonZeroU32::MIN, std::time::Duration::from_secs(3600));
    let test = TestAuthority::with(TierSet::METALS, |it| {
        it.envelopes(envelopes).sample_refusals(one, window)
    });
    (key, test)
});

fuzz_target!(|json: &str| {
    let (header, claims) = json.split_once('\n').unwrap_or((HEADER, json));
    let (key, test) = &*SETUP;
    let envelope = sign(key, header, claims);
    let record = WireRecord::new("documents", Some(b"7"), None);
    let open = |record: &WireRecord<'_>| {
        test.authority().open(None, &envelope, record).map_err(|refusal| refusal.reason())
    };
    let first = open(&record).map(drop);
    assert_eq!(open(&record).map(drop), first, "the cache does not change the answer");
    let other = WireRecord::new("documents", Some(b"7"), Some(b""));
    assert!(first.is_err() || open(&other).is_err(), "one envelope, two records");
});
