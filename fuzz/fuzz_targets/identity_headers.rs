//! Any headers at a listener that admits everything. One line is one header, `name:value`; without a
//! colon the value is absent, as a Kafka header can be.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenantkit_core::{
    Algorithm, Authority, BearerPolicy, CannotCarry, Carrier, Inbound, Jwks, KeySet, KeyTerms,
    KeyUse, ManualClock, MemoryDirectory, Peer, SigningKey, Source, TenantRecord, TierSet,
    TxnTokens, UnixTime,
    test_util::{MemorySink, TestIssuer},
};

struct Lines<'v>(&'v [u8]);

impl Carrier for Lines<'_> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], Option<&'a [u8]>)) {
        for line in self.0.split(|byte| *byte == b'\n') {
            match line.iter().position(|byte| *byte == b':') {
                Some(at) => visit(&line[..at], Some(&line[at + 1..])),
                None => visit(line, None),
            }
        }
    }

    fn put(&mut self, _: &'static str, _: &str) -> Result<(), CannotCarry> {
        unreachable!("nothing is injected")
    }

    fn strip(&mut self, _: &str) {}
}

static KEYS: LazyLock<(Jwks, TxnTokens)> = LazyLock::new(|| {
    let issuer = TestIssuer::new("https://id.example");
    let terms = KeyTerms::new("k".parse().unwrap(), KeyUse::Txn, "edge".parse().unwrap());
    let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    let tokens = TxnTokens::new("acmedocs.example", "documents", keys).unwrap();
    (Jwks::parse(&issuer.jwks()).unwrap(), tokens)
});

fuzz_target!(|lines: &[u8]| {
    let gold = TierSet::METALS.get("gold").unwrap();
    let policy = BearerPolicy::new("https://id.example", "acmedocs").asserts_any_tenant();
    let authority = Authority::builder(TierSet::METALS)
        .bearer(KEYS.0.clone(), policy)
        .txn_tokens(KEYS.1.clone())
        .dangerous()
        .trust_gateway_header(|_: Peer<'_>| true)
        .directory(MemoryDirectory::new([("acme".parse().unwrap(), TenantRecord::active(gold))]))
        .audit(MemorySink::default())
        .clock(ManualClock::at(UnixTime::from_secs(1_800_000_000)))
        .build()
        .unwrap();
    let listener = authority
        .listener()
        .admit(Source::Bearer)
        .admit(Source::TxnToken)
        .admit(Source::GatewayHeader);
    if let Ok(context) = listener.identify(Inbound::new(&Lines(lines))) {
        // Nothing can be signed, so only the trusted header can have named it, and exactly once.
        assert_eq!(context.provenance().established_by(), Source::GatewayHeader);
        assert_eq!(context.provenance().agreed().len(), 1);
        let named =
            lines.split(|byte| *byte == b'\n').filter(|line| **line == *b"x-tenant-id:acme");
        assert_eq!(named.count(), 1);
    }
});
