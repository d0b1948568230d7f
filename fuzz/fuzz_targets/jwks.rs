//! Documents of keys: an issuer's, our own, and single keys of ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantkit_core::{Jwks, KeySet, SigningKey, VerifyingKey};

fuzz_target!(|document: &str| {
    let _ = Jwks::parse(document);
    let _ = KeySet::parse(document);
    let _ = SigningKey::from_jwk(document);
    if let Ok(key) = VerifyingKey::from_jwk(document) {
        assert_eq!(VerifyingKey::from_jwk(&key.to_jwk()), Ok(key));
    }
});
