//! Envelopes, beside the bare signature check and the bare signature of `ring`.
//!
//! `cargo bench -p tenantkit-core --bench envelope` prints the ratios first, each from one run in which both
//! sides take turns, and then criterion's figures.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::{hint::black_box, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use criterion::Criterion;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use tenantkit_core::{
    Algorithm, Envelopes, KeySet, KeyTerms, KeyUse, SecretJwk, SigningKey, TierSet, WireRecord,
    test_util::TestAuthority,
};

const PAYLOAD: [u8; 256] = [7; 256];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    opening(&mut criterion, Algorithm::EdDsa, &ED25519);
    opening(&mut criterion, Algorithm::Es256, &ECDSA_P256_SHA256_FIXED);
    sealing(&mut criterion);
    criterion.final_summary();
}

fn terms() -> KeyTerms {
    KeyTerms::new("edge-1".parse().unwrap(), KeyUse::Envelope, "edge".parse().unwrap())
}

fn authority(key: &SigningKey, cache_bytes: u64) -> TestAuthority {
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    let envelopes = Envelopes::new("acmedocs.example", "edge", keys).unwrap();
    let envelopes = envelopes.signing(key.clone()).unwrap().cache_bytes(cache_bytes);
    TestAuthority::with(TierSet::METALS, |builder| builder.envelopes(envelopes))
}

fn record() -> WireRecord<'static> {
    WireRecord::new("documents", Some(b"0123456789abcdef"), Some(&PAYLOAD))
}

/// A member of the key's JWK, decoded.
fn number(jwk: &str, name: &str) -> Vec<u8> {
    let jwk: serde_json::Value = serde_json::from_str(jwk).unwrap();
    BASE64.decode(jwk[name].as_str().unwrap()).unwrap()
}

/// What a consumer does for each record: open, and issue a context.
fn opening(
    criterion: &mut Criterion,
    algorithm: Algorithm,
    ring: &'static dyn VerificationAlgorithm,
) {
    let key = SigningKey::generate(terms(), algorithm).unwrap();
    let (cached, uncached) = (authority(&key, 8 * 1024 * 1024), authority(&key, 0));
    let envelope = cached.authority().seal(&cached.context("acme"), &record()).unwrap();
    let (signed, signature) = envelope.rsplit_once('.').unwrap();
    let signature = BASE64.decode(signature).unwrap();
    let jwk = key.verifying_key().to_jwk();
    let public = match algorithm {
        Algorithm::EdDsa => number(&jwk, "x"),
        _ => [vec![4], number(&jwk, "x"), number(&jwk, "y")].concat(),
    };
    let public = UnparsedPublicKey::new(ring, public);
    let acme = "acme".parse().unwrap();

    let open = |test: &TestAuthority| {
        let opened = test.authority().open(Some(&acme), black_box(&envelope), &record()).unwrap();
        drop(black_box(opened.context().unwrap()));
    };
    let bare = || public.verify(black_box(signed.as_bytes()), &signature).unwrap();
    let (whole, hit) = (|| open(&uncached), || open(&cached));
    println!("{algorithm}: opening, uncached / bare signature check: {:.2}", ratio(whole, bare));
    println!("{algorithm}: opening, cached / bare signature check: {:.3}", ratio(hit, bare));

    let mut group = criterion.benchmark_group(format!("open {algorithm}, {} B", envelope.len()));
    group.bench_function("bare signature check", |bencher| bencher.iter(bare));
    group.bench_function("uncached", |bencher| bencher.iter(whole));
    group.bench_function("cached", |bencher| bencher.iter(hit));
    group.finish();
}

/// What a producer does for each record.
fn sealing(criterion: &mut Criterion) {
    let jwk = SecretJwk::generate(&terms()).unwrap();
    let test = authority(&SigningKey::from_jwk(jwk.expose()).unwrap(), 0);
    let ring = Ed25519KeyPair::from_seed_unchecked(&number(jwk.expose(), "d")).unwrap();
    let acme = test.context("acme");
    let envelope = test.authority().seal(&acme, &record()).unwrap();
    let (signed, _) = envelope.rsplit_once('.').unwrap();

    let bare = || {
        black_box(ring.sign(black_box(signed.as_bytes())));
    };
    let whole = || drop(test.authority().seal(black_box(&acme), &record()).unwrap());
    println!("EdDSA: sealing / bare signature: {:.2}", ratio(whole, bare));

    let mut group = criterion.benchmark_group("seal EdDSA");
    group.bench_function("bare signature", |bencher| bencher.iter(bare));
    group.bench_function("seal", |bencher| bencher.iter(whole));
    group.finish();
}

/// How often as long one takes as the other: the median of rounds in which they take turns.
fn ratio(one: impl Fn(), other: impl Fn()) -> f64 {
    let time = |run: &dyn Fn()| {
        let start = Instant::now();
        for _ in 0..10 {
            run();
        }
        start.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..501).map(|_| time(&one) / time(&other)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
