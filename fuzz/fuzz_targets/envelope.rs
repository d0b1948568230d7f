//! No envelope that the fuzzer makes is opened: it has no key.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenantkit_core::{
    Algorithm, Envelopes, KeySet, KeyTerms, KeyUse, SigningKey, TierSet, WireRecord,
    test_util::TestAuthority,
};

static TEST: LazyLock<TestAuthority> = LazyLock::new(|| {
    let terms = KeyTerms::new("k".parse().unwrap(), KeyUse::Envelope, "edge".parse().unwrap());
    let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    let envelopes = Envelopes::new("acmedocs.example", "search", keys).unwrap();
    // What is refused is audited and kept: one of each window is enough here.
    let (one, window) = (std::num::NonZeroU32::MIN, std::time::Duration::from_secs(3600));
    TestAuthority::with(TierSet::METALS, |it| it.envelopes(envelopes).sample_refusals(one, window))
});

fuzz_target!(|envelope: &str| {
    let record = WireRecord::new("documents", Some(b"7"), None);
    assert!(TEST.authority().open(None, envelope, &record).is_err());
});
