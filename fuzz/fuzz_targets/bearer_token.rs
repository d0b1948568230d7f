//! Claims behind a signature of a known issuer, and whatever else stands in `authorization`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenantkit_core::{
    Authority, BearerPolicy, CannotCarry, Carrier, Inbound, Jwks, Listener, ManualClock,
    MemoryDirectory, Source, TenantRecord, TierSet, UnixTime,
    test_util::{MemorySink, TestIssuer},
};

struct Authorization<'v>(&'v [u8]);

impl Carrier for Authorization<'_> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], Option<&'a [u8]>)) {
        visit(b"authorization", Some(self.0));
    }

    fn put(&mut self, _: &'static str, _: &str) -> Result<(), CannotCarry> {
        unreachable!("nothing is injected")
    }

    fn strip(&mut self, _: &str) {}
}

static ISSUER: LazyLock<TestIssuer> = LazyLock::new(|| TestIssuer::new("https://id.example"));

fn listener() -> Listener {
    let gold = TierSet::METALS.get("gold").unwrap();
    let policy = BearerPolicy::new("https://id.example", "acmedocs").asserts_any_tenant();
    let authority = Authority::builder(TierSet::METALS)
        .bearer(Jwks::parse(&ISSUER.jwks()).unwrap(), policy)
        .directory(MemoryDirectory::new([("acme".parse().unwrap(), TenantRecord::active(gold))]))
        .audit(MemorySink::default())
        .clock(ManualClock::at(UnixTime::from_secs(1_800_000_000)))
        .build()
        .unwrap();
    authority.listener().admit(Source::Bearer)
}

fuzz_target!(|bytes: &[u8]| {
    // The sink keeps everything: a new one for each run.
    let listener = listener();
    assert!(listener.identify(Inbound::new(&Authorization(bytes))).is_err());
    if let Ok(claims) = std::str::from_utf8(bytes) {
        let value = format!("Bearer {}", ISSUER.sign(claims));
        if let Ok(context) = listener.identify(Inbound::new(&Authorization(value.as_bytes()))) {
            assert_eq!(*context.tenant(), "acme");
        }
    }
});
