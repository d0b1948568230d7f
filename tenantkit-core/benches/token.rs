//! Tokens, beside the bare signature check and the bare signature of `ring`.
//!
//! `cargo bench -p tenantkit-core --bench token` prints the ratios first, each from one run in which
//! both sides take turns, and then criterion's figures.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use criterion::Criterion;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use tenantkit_core::{
    Algorithm, BearerPolicy, Identity, Inbound, Incarnation, Jwks, KeySet, KeyTerms, KeyUse,
    MemoryDirectory, SecretJwk, SigningKey, Source, Subject, SystemClock, TenantRecord, TierSet,
    TxnTokens, UnixTime,
    test_util::{MemorySink, TestIssuer},
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    verifying(&mut criterion, Algorithm::EdDsa, &ED25519);
    verifying(&mut criterion, Algorithm::Es256, &ECDSA_P256_SHA256_FIXED);
    minting(&mut criterion);
    identifying(&mut criterion);
    criterion.final_summary();
}

fn terms() -> KeyTerms {
    KeyTerms::new("edge-1".parse().unwrap(), KeyUse::Txn, "edge".parse().unwrap())
}

fn tokens(key: &SigningKey) -> TxnTokens {
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    TxnTokens::new("acmedocs.example", "edge", keys).unwrap().signing(key.clone()).unwrap()
}

fn identity() -> Identity {
    let alice = Subject::new("https://id.example".parse().unwrap(), "alice".parse().unwrap());
    Identity::new("acme".parse().unwrap(), alice, UnixTime::from_secs(NOW.as_secs() + 60))
        .incarnation(Incarnation::FIRST)
        .scopes("documents:read documents:write".parse().unwrap())
        .region("eu-central".parse().unwrap())
        .transaction("0123456789abcdef0123456789abcdef".parse().unwrap())
}

/// A member of the key's JWK, decoded.
fn number(jwk: &str, name: &str) -> Vec<u8> {
    let jwk: serde_json::Value = serde_json::from_str(jwk).unwrap();
    BASE64.decode(jwk[name].as_str().unwrap()).unwrap()
}

fn verifying(
    criterion: &mut Criterion,
    algorithm: Algorithm,
    ring: &'static dyn VerificationAlgorithm,
) {
    let key = SigningKey::generate(terms(), algorithm).unwrap();
    let (cached, uncached) = (tokens(&key), tokens(&key).cache_bytes(0));
    let gold = TierSet::METALS.get("gold").unwrap();
    let token = cached.issue(&identity(), gold, NOW).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64.decode(signature).unwrap();
    let jwk = key.verifying_key().to_jwk();
    let public = match algorithm {
        Algorithm::EdDsa => number(&jwk, "x"),
        _ => [vec![4], number(&jwk, "x"), number(&jwk, "y")].concat(),
    };
    let public = UnparsedPublicKey::new(ring, public);

    let bare = || public.verify(black_box(signed.as_bytes()), &signature).unwrap();
    let whole = || drop(uncached.verify(black_box(&token), NOW).unwrap());
    let hit = || drop(cached.verify(black_box(&token), NOW).unwrap());
    println!(
        "{algorithm}: verification uncached / bare signature check: {:.2}",
        ratio(whole, bare)
    );

    let mut group = criterion.benchmark_group(format!("verify {algorithm}, {} B", token.len()));
    group.bench_function("bare signature check", |bencher| bencher.iter(bare));
    group.bench_function("uncached", |bencher| bencher.iter(whole));
    group.bench_function("cached", |bencher| bencher.iter(hit));
    group.finish();
}

fn minting(criterion: &mut Criterion) {
    let jwk = SecretJwk::generate(&terms()).unwrap();
    let tokens = tokens(&SigningKey::from_jwk(jwk.expose()).unwrap());
    let ring = Ed25519KeyPair::from_seed_unchecked(&number(jwk.expose(), "d")).unwrap();
    let (identity, gold) = (identity(), TierSet::METALS.get("gold").unwrap());
    let token = tokens.issue(&identity, gold, NOW).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();

    let bare = || {
        black_box(ring.sign(black_box(signed.as_bytes())));
    };
    let whole = || drop(tokens.issue(black_box(&identity), gold, NOW).unwrap());
    println!("EdDSA: minting / bare signature: {:.2}", ratio(whole, bare));

    let mut group = criterion.benchmark_group("mint EdDSA");
    group.bench_function("bare signature", |bencher| bencher.iter(bare));
    group.bench_function("mint", |bencher| bencher.iter(whole));
    group.finish();
}

/// The whole of what a server does for one request: headers, source, directory, context.
fn identifying(criterion: &mut Criterion) {
    let issuer = TestIssuer::new("https://id.example");
    let record = TenantRecord::active(TierSet::METALS.get("gold").unwrap());
    let acme = "acme".parse().unwrap();
    let authority = tenantkit_core::Authority::builder(TierSet::METALS)
        .bearer(
            Jwks::parse(&issuer.jwks()).unwrap(),
            BearerPolicy::new("https://id.example", "acmedocs").asserts_any_tenant(),
        )
        .directory(MemoryDirectory::new([(acme, record)]))
        .audit(MemorySink::default())
        .clock(SystemClock::new())
        .build()
        .unwrap();
    let now = authority.now();
    let token = issuer.token(
        "acmedocs",
        "alice",
        &acme,
        now,
        now.saturating_add(Duration::from_secs(3600)),
    );
    let listener = authority.listener().admit(Source::Bearer);
    let mut headers = http::HeaderMap::new();
    headers.insert("accept", "application/json".parse().unwrap());
    headers.insert("user-agent", "bench".parse().unwrap());
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut group = criterion.benchmark_group("identify");
    group.bench_function("a cached bearer token", |bencher| {
        bencher.iter(|| listener.identify(Inbound::new(black_box(&headers))).unwrap());
    });
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
