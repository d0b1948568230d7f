//! Header and claims behind a signature that holds: what a trusted workload could send. The two are
//! split at the first line break.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenantkit_core::{
    Algorithm, KeySet, KeyTerms, KeyUse, SigningKey, TxnTokens, UnixTime, test_util::sign,
};

const HEADER: &str = r#"{"alg":"EdDSA","typ":"txntoken+jwt","kid":"k"}"#;

static SETUP: LazyLock<(SigningKey, TxnTokens)> = LazyLock::new(|| {
    let terms = KeyTerms::new("k".parse().unwrap(), KeyUse::Txn, "edge".parse().unwrap());
    let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    (key, TxnTokens::new("acmedocs.example", "documents", keys).unwrap())
});

fuzz_target!(|json: &str| {
    let (header, claims) = json.split_once('\n').unwrap_or((HEADER, json));
    let (key, tokens) = &*SETUP;
    let now = UnixTime::from_secs(1_800_000_000);
    let token = sign(key, header, claims);
    let first = tokens.verify(&token, now).map(|_| ());
    assert_eq!(
        tokens.verify(&token, now).map(|_| ()),
        first,
        "the cache does not change the answer"
    );
});
