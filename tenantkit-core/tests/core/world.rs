//! An authority on a clock that stands, with sources that say what the test wants.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tenantkit_core::{
    Asserts, AuditEvent, Authority, AuthorityBuilder, Capability, Claim, Identity, IdentitySource,
    Inbound, ManualClock, MemoryDirectory, Presented, Reason, Refusal, Source, Subject,
    TenantContext, TenantDirectory, TenantId, TenantRecord, Text, TierSet, UnixTime,
    test_util::MemorySink,
};

pub(crate) const START: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const LIFE: Duration = Duration::from_secs(300);

/// A directory that counts how often it is asked for a tenant.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) tenants: MemoryDirectory,
    asked: AtomicUsize,
}

impl Directory {
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl TenantDirectory for Directory {
    fn find(&self, tenant: &TenantId) -> Option<TenantRecord> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.tenants.find(tenant)
    }

    fn as_of(&self) -> Option<UnixTime> {
        self.tenants.as_of()
    }
}

/// `acme` (gold) and `globex` (bronze), in a directory that was confirmed at the start.
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) directory: Arc<Directory>,
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) authority: Authority,
}

impl World {
    pub(crate) const MIGRATE: Capability = Capability::system("migrate", Duration::from_secs(60));
    pub(crate) const SUPPORT: Capability =
        Capability::cross_tenant("support", Duration::from_secs(60));

    /// One source, `word`, that establishes the tenant in the header `x-word`.
    pub(crate) fn new() -> Self {
        Self::of(|builder| builder.establish(Says::word(), Asserts::Any))
    }

    pub(crate) fn of(change: impl FnOnce(AuthorityBuilder) -> AuthorityBuilder) -> Self {
        let record = |tier| TenantRecord::active(TierSet::METALS.get(tier).unwrap());
        let tenants = [(id("acme"), record("gold")), (id("globex"), record("bronze"))];
        let tenants = MemoryDirectory::replica(tenants, START);
        let directory = Arc::new(Directory { tenants, asked: AtomicUsize::new(0) });
        let clock = ManualClock::at(START);
        let sink = Arc::new(MemorySink::default());
        let builder = Authority::builder(TierSet::METALS)
            .directory(Arc::clone(&directory))
            .clock(clock.clone())
            .audit(Arc::clone(&sink))
            .allow(Self::MIGRATE)
            .allow(Self::SUPPORT);
        let authority = change(builder).build().unwrap();
        Self { clock, directory, sink, authority }
    }

    /// What a listener that admits `sources` makes of these headers.
    pub(crate) fn identify(
        &self,
        sources: &[Source],
        headers: &[(&str, &str)],
    ) -> Result<TenantContext, Refusal> {
        let listener =
            sources.iter().fold(self.authority.listener(), |it, source| it.admit(*source));
        listener.identify(Inbound::new(&map(headers)))
    }

    pub(crate) fn context(&self, tenant: &str) -> TenantContext {
        self.identify(&[Says::WORD], &[("x-word", tenant)]).unwrap()
    }

    pub(crate) fn change(&self, tenant: &str, change: impl FnOnce(TenantRecord) -> TenantRecord) {
        let record = self.directory.tenants.find(&id(tenant)).unwrap();
        self.directory.tenants.set(id(tenant), change(record));
    }

    pub(crate) fn last_event(&self) -> AuditEvent {
        self.sink.events().last().unwrap().clone()
    }
}

pub(crate) fn map(headers: &[(&str, &str)]) -> http::HeaderMap {
    headers
        .iter()
        .map(|(name, value)| {
            (
                http::HeaderName::try_from(*name).unwrap(),
                value.parse::<http::HeaderValue>().unwrap(),
            )
        })
        .collect()
}

pub(crate) fn id(text: &str) -> TenantId {
    text.parse().unwrap()
}

pub(crate) fn subject(sub: &str) -> Subject {
    Subject::new("test".parse().unwrap(), sub.parse().unwrap())
}

/// That `sub` acts for `tenant`, proved at `now`.
pub(crate) fn identity(tenant: &str, sub: &str, now: UnixTime) -> Identity {
    Identity::new(id(tenant), subject(sub), now.saturating_add(LIFE)).issued(now)
}

type Answer = Result<Option<Claim>, Reason>;
type Say = Box<dyn Fn(&str, UnixTime) -> Answer + Send + Sync>;

/// A source that reads one header and says of its value what the test wants.
pub(crate) struct Says {
    name: &'static str,
    header: [&'static str; 1],
    say: Say,
}

impl Says {
    pub(crate) const WORD: Source = Source::Custom("word");

    pub(crate) fn new(
        name: &'static str,
        header: &'static str,
        say: impl Fn(&str, UnixTime) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self { name, header: [header], say: Box::new(say) }
    }

    /// Believes `x-word`: a tenant, and perhaps a subject after a `/`.
    pub(crate) fn word() -> Self {
        Self::establishing("word", "x-word")
    }

    pub(crate) fn establishing(name: &'static str, header: &'static str) -> Self {
        Self::new(name, header, |value, now| {
            let (tenant, sub) = value.split_once('/').unwrap_or((value, "tester"));
            if tenant.parse::<TenantId>().is_err() || sub.parse::<Text>().is_err() {
                return Err(Reason::MalformedHeader);
            }
            Ok(Some(Claim::Establishes(Arc::new(identity(tenant, sub, now)))))
        })
    }

    pub(crate) fn naming(name: &'static str, header: &'static str) -> Self {
        Self::new(name, header, |value, _| Ok(Some(Claim::Corroborates(id(value)))))
    }
}

impl IdentitySource for Says {
    fn source(&self) -> Source {
        Source::Custom(self.name)
    }

    fn headers(&self) -> &[&'static str] {
        &self.header
    }

    fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Answer {
        presented.header(self.header[0]).map_or(Ok(None), |value| (self.say)(value, now))
    }
}

impl fmt::Debug for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
