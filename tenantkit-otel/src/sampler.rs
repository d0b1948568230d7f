//! [`TenantSampler`]: which traces are kept, so that no tenant's crowd out the others'.
//!
//! ```
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use tenantkit_core::TenantId;
//! use tenantkit_limit::quota::Quota;
//! use tenantkit_otel::sampler::TenantSampler;
//!
//! const TRACES: Quota = Quota::per_second(5).burst(20).declare();
//! const FEW: Quota = Quota::per_minute(30).declare();
//!
//! let sampler = TenantSampler::builder(TRACES)
//!     .pin(TenantId::new("acme")?) // all of its traces
//!     .rate(TenantId::new("globex")?, FEW)
//!     .most_tenants(100_000)
//!     .build()?;
//! let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it decides
//!
//! - With a **parent**, as the parent: a trace is kept whole or not at all. At the edge, whoever calls could ask for all of
//!   its traces that way; [`TenantSamplerBuilder::limits_remote_parents`] lets a remote parent only lower what is kept.
//! - A **pinned** tenant's traces are kept.
//! - Any other tenant's are kept within its **rate**, its own or that of all who have none. What is kept of one tenant takes
//!   nothing from another.
//! - What belongs to **nobody** has one rate together.
//! - A **refusal** is kept although its trace is not, where [`TenantSamplerBuilder::keeps_refusals`] says so: the span that
//!   has [`REFUSAL_CODE`](crate::names::REFUSAL_CODE) when it ends, alone. It takes recording every root.
//!
//! Whose a trace is, is whose scope its first span is made in. A span that is made before anybody knows the tenant is
//! nobody's: make it inside the layer that tells.
//!
//! Memory is the limiter's: bounded by [`TenantSamplerBuilder::most_tenants`], past which newcomers share one rate.

mod build;

use std::{collections::HashMap, fmt, sync::Arc};

use foldhash::quality::RandomState;
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, SpanRef, TraceContextExt as _, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};
use tenantkit_core::{Clock, TenantId};
use tenantkit_limit::{
    quota::Cost,
    rate::{Plan, RateLimiter},
};

pub use build::TenantSamplerBuilder;

use crate::{
    owner,
    tracer::{self, Said},
};

/// Which traces are kept. See the [module](self). Clones decide together.
#[derive(Clone)]
pub struct TenantSampler(Arc<Inner>);

struct Inner {
    limiter: RateLimiter<Whose>,
    tenants: Plan,
    nobody: Plan,
    own: HashMap<TenantId, Kept, RandomState>,
    limits_remote_parents: bool,
    keeps_refusals: bool,
    clock: Arc<dyn Clock>,
}

/// What is kept of a tenant of which something else was said than of all.
enum Kept {
    All,
    Within(Plan),
}

/// Whose rate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Tenant(TenantId),
    Nobody,
}

impl Inner {
    fn keeps(&self, whose: &Whose) -> bool {
        let plan = match whose {
            Whose::Tenant(tenant) => match self.own.get(tenant) {
                Some(Kept::All) => return true,
                Some(Kept::Within(plan)) => plan,
                None => &self.tenants,
            },
            Whose::Nobody => &self.nobody,
        };
        self.limiter.check(whose, plan, Cost::ONE, self.clock.monotonic()).is_allowed()
    }

    fn of_a_root(&self, attributes: &[KeyValue]) -> SamplingDecision {
        let tenant = match tracer::said() {
            Said::Nothing => owner::tenant_now(),
            Said::Tenant => {
                attributes.first().and_then(|it| TenantId::new(&it.value.as_str()).ok())
            }
            Said::NoTenant => None,
        };
        if self.keeps(&tenant.map_or(Whose::Nobody, Whose::Tenant)) {
            SamplingDecision::RecordAndSample
        } else if self.keeps_refusals {
            SamplingDecision::RecordOnly
        } else {
            SamplingDecision::Drop
        }
    }
}

impl ShouldSample for TenantSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let span = parent.map(|parent| parent.span());
        let parent = span.as_ref().map(SpanRef::span_context).filter(|it| it.is_valid());
        let Some(parent) = parent else {
            return result(self.0.of_a_root(attributes), TraceState::NONE);
        };
        let decision = match (parent.is_sampled(), parent.is_remote()) {
            (true, true) if self.0.limits_remote_parents => self.0.of_a_root(attributes),
            (true, _) => SamplingDecision::RecordAndSample,
            // The first span here of a trace that is not kept may be refused all the same.
            (false, true) if self.0.keeps_refusals => SamplingDecision::RecordOnly,
            (false, _) => SamplingDecision::Drop,
        };
        result(decision, parent.trace_state().clone())
    }
}

const fn result(decision: SamplingDecision, trace_state: TraceState) -> SamplingResult {
    SamplingResult { decision, attributes: Vec::new(), trace_state }
}

impl fmt::Debug for TenantSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSampler")
            .field("own", &self.0.own.len())
            .field("tenants", &self.0.limiter.len())
            .finish_non_exhaustive()
    }
}
