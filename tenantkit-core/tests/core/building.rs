//! What an authority is built from is checked when it is built.

use std::{sync::Arc, time::Duration};

use tenantkit_core::{
    Asserts, AuditEvent, AuditSink, Authority, AuthorityBuilder, BuildError, Capability, Commit,
    MemoryDirectory, Peer, Source, TierSet, audit::NotCommitted, test_util::MemorySink,
};

use crate::world::Says;

fn directory() -> MemoryDirectory {
    MemoryDirectory::new([])
}

fn build(change: impl FnOnce(AuthorityBuilder) -> AuthorityBuilder) -> Result<(), BuildError> {
    let builder =
        Authority::builder(TierSet::METALS).directory(directory()).audit(MemorySink::default());
    change(builder).build().map(|_| ())
}

fn word(builder: AuthorityBuilder) -> AuthorityBuilder {
    builder.establish(Says::word(), Asserts::Any)
}

#[test]
fn an_authority_says_what_it_was_told() {
    let build = |change: fn(AuthorityBuilder) -> AuthorityBuilder| {
        let builder = Authority::builder(TierSet::METALS).directory(directory());
        change(word(builder.audit(MemorySink::default()))).build().unwrap()
    };
    assert_eq!(build(|it| it).grace(), Duration::from_secs(30));
    assert_eq!(build(|it| it.grace(Duration::from_secs(5))).grace(), Duration::from_secs(5));
    assert_eq!(build(|it| it).tiers(), TierSet::METALS);
}

#[test]
fn what_is_missing_is_named() {
    let bare = || word(Authority::builder(TierSet::METALS));
    assert_eq!(bare().audit(MemorySink::default()).build().unwrap_err(), BuildError::NoDirectory);
    assert_eq!(bare().directory(directory()).build().unwrap_err(), BuildError::NoAudit);
    assert_eq!(build(|it| it).unwrap_err(), BuildError::NoSource);
    let names = |it: AuthorityBuilder| it.corroborate(Says::naming("host", "x-host"));
    assert_eq!(build(names).unwrap_err(), BuildError::NoSource);
    assert!(build(word).is_ok());
}

#[test]
fn what_stands_twice_is_named() {
    let twice = build(|it| word(it).corroborate(Says::naming("word", "x-host")));
    assert_eq!(twice.unwrap_err(), BuildError::DuplicateSource(Source::Custom("word")));
    let capability = |secs| Capability::system("cron", Duration::from_secs(secs));
    let twice = build(|it| word(it).allow(capability(1)).allow(capability(2)));
    assert_eq!(twice.unwrap_err(), BuildError::DuplicateCapability("cron"));
}

#[test]
fn a_header_name_that_could_not_be_matched_is_refused() {
    let reads = |header| build(|it| word(it).corroborate(Says::naming("host", header)));
    let source = Source::Custom("host");
    for header in ["X-Host", "", "x host", "x-hôst"] {
        assert_eq!(reads(header).unwrap_err(), BuildError::HeaderName(source), "{header}");
    }
    for header in ["x_word", "txn_token", "x_tenant-id", "connection"] {
        assert_eq!(reads(header).unwrap_err(), BuildError::AlikeHeader(source), "{header}");
    }
    // Two sources may read one header.
    assert!(reads("x-word").is_ok());
}

#[test]
fn sources_and_headers_are_bounded() {
    let name = |at: usize| -> &'static str { format!("s{at}").leak() };
    let many = |count: usize, header: &dyn Fn(usize) -> &'static str| {
        build(|it| {
            (0..count).fold(it, |it, at| {
                it.establish(Says::establishing(name(at), header(at)), Asserts::Any)
            })
        })
    };
    // Three headers are known without a source.
    assert!(many(13, &name).is_ok());
    assert_eq!(many(14, &name).unwrap_err(), BuildError::TooManySources);
    assert!(many(32, &|_| "x-word").is_ok());
    assert_eq!(many(33, &|_| "x-word").unwrap_err(), BuildError::TooManySources);
}

#[derive(Debug)]
struct Broken;

impl AuditSink for Broken {
    fn record(&self, _: AuditEvent) {}
    fn commit(&self, _: AuditEvent) -> Commit {
        Commit::ready(Err(NotCommitted::new()))
    }
}

#[test]
fn what_is_dangerous_is_audited_durably_or_nothing_is_built() {
    let dangerous = |sink: Arc<dyn AuditSink>| {
        Authority::builder(TierSet::METALS)
            .dangerous()
            .trust_gateway_header(|_: Peer<'_>| true)
            .directory(directory())
            .audit(sink)
            .build()
    };
    assert_eq!(dangerous(Arc::new(Broken)).unwrap_err(), BuildError::AuditUnavailable);
    let sink = Arc::new(MemorySink::default());
    dangerous(Arc::<MemorySink>::clone(&sink)).unwrap();
    let [event] = &sink.events()[..] else { panic!("{:?}", sink.events()) };
    assert_eq!(event.action, tenantkit_core::AuditAction::Dangerous("trust-gateway-header"));
    // What trusts nothing needs no such event.
    assert!(
        word(Authority::builder(TierSet::METALS))
            .directory(directory())
            .audit(Broken)
            .build()
            .is_ok()
    );
}
