//! A token that was verified a moment ago is taken again without a heap allocation.
//!
//! In a binary of its own: the counter counts what a thread allocates, and tests share nothing with it.

use allocation_counter::measure;
use tenantkit_core::{
    Algorithm, Identity, Incarnation, KeySet, KeyTerms, KeyUse, SigningKey, Subject, TierSet,
    TxnTokens, UnixTime,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

#[test]
fn a_cached_token_is_verified_without_an_allocation() {
    let terms = KeyTerms::new("edge-1".parse().unwrap(), KeyUse::Txn, "edge".parse().unwrap());
    let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    let tokens = TxnTokens::new("acmedocs.example", "edge", keys).unwrap().signing(key).unwrap();
    let alice = Subject::new("https://id.example".parse().unwrap(), "alice".parse().unwrap());
    let until = UnixTime::from_secs(NOW.as_secs() + 60);
    let identity = Identity::new("acme".parse().unwrap(), alice, until)
        .incarnation(Incarnation::FIRST)
        .transaction("txn-1".parse().unwrap());
    let gold = TierSet::METALS.get("gold").unwrap();
    let token = tokens.issue(&identity, gold, NOW).unwrap();

    let first = measure(|| drop(tokens.verify(&token, NOW).unwrap()));
    assert!(first.count_total > 0, "the counter counts");
    let again = measure(|| drop(tokens.verify(&token, NOW).unwrap()));
    assert_eq!(again.count_total, 0);
}
