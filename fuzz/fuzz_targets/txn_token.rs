//! No token that the fuzzer makes is taken: it has no key.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenantkit_core::{Algorithm, KeySet, KeyTerms, KeyUse, SigningKey, TxnTokens, UnixTime};

static TOKENS: LazyLock<TxnTokens> = LazyLock::new(|| {
    let terms = KeyTerms::new("k".parse().unwrap(), KeyUse::Txn, "edge".parse().unwrap());
    let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    TxnTokens::new("acmedocs.example", "documents", keys).unwrap()
});

fuzz_target!(|token: &str| {
    assert!(TOKENS.verify(token, UnixTime::from_secs(1_800_000_000)).is_err());
});
