//! The scope and the context, beside what one would use instead.
//!
//! `cargo bench -p tenantkit-core --bench scope` prints criterion's figures, in groups whose members
//! are to be compared with each other: absolute figures swing with the machine, ratios in one run hold.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::{
    future::{Future, pending},
    hash::{BuildHasher, RandomState},
    hint::black_box,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Waker},
};

use criterion::{Criterion, criterion_group, criterion_main};
use tenantkit_core::{
    Authority, Claim, Door, Identity, IdentitySource, Inbound, MemoryDirectory, Presented, Reason,
    Source, Subject, TenantContext, TenantId, TenantRecord, TierSet, UnixTime,
    test_util::{MemorySink, TestAuthority},
};

criterion_group!(benches, polling, reading, ids, contexts, checking);
criterion_main!(benches);

fn polling(criterion: &mut Criterion) {
    tokio::task_local! {
        static TENANT: TenantContext;
    }
    let tenant = TestAuthority::new().context("acme");
    let mut group = criterion.benchmark_group("poll");
    let mut bench = |name, future: Pin<&mut dyn Future<Output = ()>>| {
        let mut future = future;
        let mut cx = Context::from_waker(Waker::noop());
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&mut future).as_mut().poll(&mut cx));
        });
    };
    bench("bare", pin!(pending()));
    bench("tokio task-local", pin!(TENANT.scope(tenant.clone(), pending())));
    bench("scope", pin!(tenant.scope(pending()).unwrap()));
    let nested = tenant.scope(tenant.scope(pending()).unwrap()).unwrap();
    bench("scope in a scope", pin!(nested));
}

fn reading(criterion: &mut Criterion) {
    let tenant = TestAuthority::new().context("acme");
    let mut group = criterion.benchmark_group("read");
    tenant
        .in_scope(|| {
            group.bench_function("current", |it| it.iter(|| TenantContext::current().unwrap()));
            group.bench_function("with_current", |it| {
                it.iter(|| TenantContext::with_current(|it| it.map(TenantContext::tier)));
            });
        })
        .unwrap();
    group.bench_function("current, outside", |it| it.iter(TenantContext::current));
}

fn ids(criterion: &mut Criterion) {
    let text = "a-tenant-id-of-a-usual-length";
    let (id, shared): (TenantId, Arc<str>) = (text.parse().unwrap(), text.into());
    let hasher = RandomState::new();
    let mut group = criterion.benchmark_group("id");
    group.bench_function("copy", |it| it.iter(|| *black_box(&id)));
    group.bench_function("clone, Arc<str>", |it| it.iter(|| Arc::clone(black_box(&shared))));
    group.bench_function("hash", |it| it.iter(|| hasher.hash_one(black_box(&id))));
    group.bench_function("hash, Arc<str>", |it| it.iter(|| hasher.hash_one(black_box(&shared))));
    group.bench_function("parse", |it| it.iter(|| TenantId::new(black_box(text))));
}

fn contexts(criterion: &mut Criterion) {
    let tenant = TestAuthority::new().context("acme");
    let plain = Arc::new([0_u64; 16]);
    let mut group = criterion.benchmark_group("context");
    group.bench_function("clone and drop", |it| it.iter(|| black_box(&tenant).clone()));
    group.bench_function("clone and drop, Arc", |it| it.iter(|| Arc::clone(black_box(&plain))));
    group.bench_function("key", |it| it.iter(|| black_box(&tenant).key(7_u64)));
}

fn checking(criterion: &mut Criterion) {
    let authority = |sink| {
        let gold = TenantRecord::active(TierSet::METALS.get("gold").unwrap());
        Authority::builder(TierSet::METALS)
            .establish(Path, tenantkit_core::Asserts::Any)
            .directory(MemoryDirectory::new([("acme".parse().unwrap(), gold)]))
            .audit(Arc::clone(sink))
            .build()
            .unwrap()
    };
    let sink = Arc::new(MemorySink::default());
    let (mine, other) = (authority(&sink), authority(&sink));
    let nothing = http::HeaderMap::new();
    let issue = || {
        let listener = mine.listener().admit(Path.source());
        listener.identify(Inbound::new(&nothing).path("acme")).unwrap()
    };
    let tenant = issue();
    let mut group = criterion.benchmark_group("authority");
    group.bench_function("check", |it| {
        it.iter(|| mine.check(black_box(&tenant), Door::Transaction));
    });
    group.bench_function("check, refused and only counted", |it| {
        it.iter(|| other.check(black_box(&tenant), Door::Transaction));
    });
    group.bench_function("identify", |it| it.iter(issue));
}

/// Believes the path.
#[derive(Debug)]
struct Path;

impl IdentitySource for Path {
    fn source(&self) -> Source {
        Source::Custom("path")
    }

    fn claim(&self, presented: &Presented<'_>, _: UnixTime) -> Result<Option<Claim>, Reason> {
        let tenant = presented.path().parse().map_err(|_| Reason::MalformedHeader)?;
        let subject = Subject::new("bench".parse().unwrap(), "bench".parse().unwrap());
        let identity = Identity::new(tenant, subject, UnixTime::MAX);
        Ok(Some(Claim::Establishes(Arc::new(identity))))
    }
}
