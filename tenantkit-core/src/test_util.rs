//! [`TestAuthority`]: contexts for tests, without a token.

mod issuer;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use issuer::{TestIssuer, sign};

use crate::{
    Asserts, AuditEvent, AuditSink, Authority, AuthorityBuilder, Capability, Claim, Commit,
    Identity, IdentitySource, Inbound, ManualClock, MemoryDirectory, Presented, Reason, Source,
    Subject, TenantContext, TenantDirectory, TenantId, TenantRecord, Text, TierSet, UnixTime,
};

/// An authority that is for tests only: it issues contexts on a plain word. They pass only the doors
/// that are made from it.
///
/// It knows the tenants `acme` (gold, unless it has tiers of its own) and `globex` (bronze), stands at a fixed time, and keeps its
/// audit events.
#[derive(Debug, Clone)]
pub struct TestAuthority {
    authority: Authority,
    clock: ManualClock,
    directory: Arc<MemoryDirectory>,
    audit: Arc<MemorySink>,
}

impl TestAuthority {
    /// The source that believes a plain word. A listener that is under test admits it.
    pub const SOURCE: Source = Source::Custom("test");
    /// The header that the word stands in.
    pub const HEADER: &str = "x-test-tenant";
    /// What every test authority declares for `SystemWork`.
    pub const SYSTEM: Capability = Capability::system("test-system", Duration::from_secs(600));
    /// What every test authority declares for `CrossTenant`.
    pub const CROSS: Capability = Capability::cross_tenant("test-cross", Duration::from_secs(600));

    /// A test authority.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "an authority is never a default")]
    pub fn new() -> Self {
        Self::with(TierSet::METALS, |builder| builder)
    }

    /// A test authority with tiers, capabilities, tokens and sources of the application's own. `acme`
    /// has the third tier, or the highest where there are fewer, and `globex` the lowest.
    ///
    /// ```
    /// use tenantkit_core::{BearerPolicy, Jwks, Source, TierSet, test_util::{TestAuthority, TestIssuer}};
    ///
    /// const TIERS: TierSet = TierSet::new(&["free", "paid"]);
    ///
    /// let issuer = TestIssuer::new("https://id.example");
    /// let jwks = Jwks::parse(&issuer.jwks())?;
    /// let policy = BearerPolicy::new(issuer.issuer(), "acmedocs").asserts_any_tenant();
    /// let test = TestAuthority::with(TIERS, |builder| builder.bearer(jwks, policy));
    /// let listener = test.authority().listener().admit(Source::Bearer);
    /// # assert_eq!(test.context("acme").tier().as_str(), "paid");
    /// # assert_eq!(test.context("globex").tier().as_str(), "free");
    /// # Ok::<(), tenantkit_core::KeyError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When the authority cannot be built.
    #[must_use]
    #[track_caller]
    pub fn with(tiers: TierSet, change: impl FnOnce(AuthorityBuilder) -> AuthorityBuilder) -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
        let tenants = [("acme", tiers.iter().take(3).last()), ("globex", tiers.iter().next())];
        let directory = MemoryDirectory::new(tenants.into_iter().filter_map(|(tenant, tier)| {
            Some((TenantId::new(tenant).ok()?, TenantRecord::active(tier?)))
        }));
        let (directory, audit) = (Arc::new(directory), Arc::new(MemorySink::default()));
        let builder = Authority::builder(tiers)
            .establish(PlainWord, Asserts::Any)
            .directory(Arc::clone(&directory))
            .audit(Arc::clone(&audit))
            .allow(Self::SYSTEM)
            .allow(Self::CROSS)
            .clock(clock.clone());
        match change(builder).build() {
            Ok(authority) => Self { authority, clock, directory, audit },
            Err(error) => panic!("{error}"),
        }
    }

    /// A context of `tenant`, good for 300 s.
    ///
    /// # Panics
    ///
    /// When the directory does not have the tenant, or says that it may not act.
    #[must_use]
    pub fn context(&self, tenant: &str) -> TenantContext {
        let listener = self.authority.listener().admit(Self::SOURCE);
        match listener.identify(Inbound::new(&Word(tenant))) {
            Ok(context) => context,
            Err(refusal) => panic!("{refusal}"),
        }
    }

    /// The authority, to make doors from.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Its directory, to add, suspend and remove tenants.
    #[must_use]
    pub fn directory(&self) -> &MemoryDirectory {
        &self.directory
    }

    /// The audit events so far.
    #[must_use]
    pub fn audited(&self) -> Vec<AuditEvent> {
        self.audit.events()
    }

    /// Changes the record of one tenant.
    ///
    /// # Panics
    ///
    /// When the directory does not have the tenant.
    pub fn change(&self, tenant: &str, change: impl FnOnce(TenantRecord) -> TenantRecord) {
        let tenant = match TenantId::new(tenant) {
            Ok(tenant) => tenant,
            Err(error) => panic!("{error}"),
        };
        let Some(record) = self.directory.find(&tenant) else {
            panic!("the directory does not have the tenant");
        };
        self.directory.set(tenant, change(record));
    }
}

/// Polls a future on this thread until it is ready, for examples without a runtime. It spins.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        match future.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// Keeps events in memory.
#[derive(Debug, Default)]
pub struct MemorySink {
    events: Mutex<Vec<AuditEvent>>,
}

impl MemorySink {
    /// The events so far.
    #[must_use]
    pub fn events(&self) -> Vec<AuditEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AuditSink for MemorySink {
    fn record(&self, event: AuditEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    fn commit(&self, event: AuditEvent) -> Commit {
        self.record(event);
        Commit::ready(Ok(()))
    }
}

/// Believes its header.
#[derive(Debug)]
struct PlainWord;

impl IdentitySource for PlainWord {
    fn source(&self) -> Source {
        TestAuthority::SOURCE
    }

    fn headers(&self) -> &[&'static str] {
        &[TestAuthority::HEADER]
    }

    fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason> {
        let Some(word) = presented.header(TestAuthority::HEADER) else { return Ok(None) };
        let tenant = word.parse().map_err(|_| Reason::MalformedHeader)?;
        let subject = Subject::new(Text::from_static("test"), Text::from_static("tester"));
        let expires = now.saturating_add(Duration::from_secs(300));
        let identity = Identity::new(tenant, subject, expires).issued(now);
        Ok(Some(Claim::Establishes(Arc::new(identity))))
    }
}

/// A carrier with the word in it.
struct Word<'w>(&'w str);

impl crate::Carrier for Word<'_> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], Option<&'a [u8]>)) {
        visit(TestAuthority::HEADER.as_bytes(), Some(self.0.as_bytes()));
    }

    fn put(&mut self, _: &'static str, _: &str) -> Result<(), crate::CannotCarry> {
        Err(crate::CannotCarry)
    }

    fn strip(&mut self, _: &str) {}
}
