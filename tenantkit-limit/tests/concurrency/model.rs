//! Any order of what can happen, against a plain model of the rule.

use std::collections::HashMap;

use proptest::prelude::*;
use tenantkit_core::TenantId;
use tenantkit_limit::concurrency::{
    Acquire, Cap, ConcurrencyLimiter, Limit, Permit, Resource, Sharing,
};

use crate::{assert_empty, poll, tenant};

#[derive(Debug, Clone)]
enum Step {
    Try(usize, usize),
    Wait(usize, usize),
    Release(prop::sample::Index),
    GiveUp(prop::sample::Index),
    Limit(u32),
    /// Counts what is in use, which leaves no permit spare.
    Count,
}

const TENANTS: usize = 4;
const RESOURCES: usize = 2;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || (0..TENANTS, 0..RESOURCES);
    let step = prop_oneof![
        4 => who().prop_map(|(tenant, resource)| Step::Try(tenant, resource)),
        4 => who().prop_map(|(tenant, resource)| Step::Wait(tenant, resource)),
        5 => any::<prop::sample::Index>().prop_map(Step::Release),
        2 => any::<prop::sample::Index>().prop_map(Step::GiveUp),
        1 => (1_u32..24).prop_map(Step::Limit),
        1 => Just(Step::Count),
    ];
    prop::collection::vec(step, 1..120)
}

/// The rule of [`Sharing`], on plain counts.
struct Model {
    caps: [u32; RESOURCES],
    limit: u32,
    sharing: Sharing,
    guarantee: u32,
    held: HashMap<(usize, usize), u32>,
}

impl Model {
    fn of_tenant(&self, tenant: usize) -> u32 {
        (0..RESOURCES).map(|resource| self.of(tenant, resource)).sum()
    }

    fn of(&self, tenant: usize, resource: usize) -> u32 {
        self.held.get(&(tenant, resource)).copied().unwrap_or(0)
    }

    fn in_use(&self) -> u32 {
        self.held.values().sum()
    }

    fn admits(&self, tenant: usize, resource: usize) -> bool {
        let held = self.of_tenant(tenant);
        let kept = if held < self.guarantee { 0 } else { self.sharing.reserve_of(self.limit) };
        self.of(tenant, resource) < self.caps[resource]
            && held < self.sharing.share_of(self.limit)
            && self.in_use() < self.limit - kept
    }
}

struct Held<T> {
    tenant: usize,
    resource: usize,
    it: T,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn permits_follow_the_rule_in_any_order_and_none_that_is_left_is_kept_from_a_waiter(
        steps in steps(),
        limit in 1_u32..24,
        caps in [1_u32..4, 1_u32..4],
        (share, reserve, guarantee) in (1_u8..=100, 0_u8..=60, 1_u32..3),
    ) {
        let sharing =
            Sharing::DEFAULT.tenant_percent(share).reserve_percent(reserve).guarantee(guarantee);
        let builder = ConcurrencyLimiter::builder().global(Limit::fixed(limit)).sharing(sharing);
        let limiter = builder.build().unwrap();
        let tenants: Vec<TenantId> =
            (0..TENANTS).map(|number| tenant(&format!("tenant-{number}"))).collect();
        let mut model = Model { caps, limit, sharing, guarantee, held: HashMap::new() };
        let mut held: Vec<Held<Permit>> = Vec::new();
        let mut line: Vec<Held<Acquire>> = Vec::new();

        for step in steps {
            match step {
                Step::Try(tenant, resource) => {
                    let cap = Cap::new(Resource::new(resource), caps[resource]);
                    let got = limiter.try_acquire(&tenants[tenant], cap);
                    // All is settled, so whoever still waits could not be served: a newcomer to whom
                    // the rule gives is refused only for waiters of its own tenant and resource.
                    let admits = model.admits(tenant, resource);
                    prop_assert!(admits || got.is_err());
                    let own = line.iter().any(|it| (it.tenant, it.resource) == (tenant, resource));
                    prop_assert!(!own || got.is_err());
                    prop_assert!(got.is_ok() || own || !admits, "refused: {:?}", got);
                    if let Ok(it) = got {
                        *model.held.entry((tenant, resource)).or_default() += 1;
                        held.push(Held { tenant, resource, it });
                    }
                }
                Step::Wait(tenant, resource) => {
                    let cap = Cap::new(Resource::new(resource), caps[resource]);
                    let it = limiter.acquire(&tenants[tenant], cap);
                    line.push(Held { tenant, resource, it });
                }
                Step::Release(index) if !held.is_empty() => {
                    let gone = held.remove(index.index(held.len()));
                    *model.held.get_mut(&(gone.tenant, gone.resource)).unwrap() -= 1;
                }
                Step::GiveUp(index) if !line.is_empty() => {
                    drop(line.remove(index.index(line.len())));
                }
                Step::Limit(limit) => {
                    model.limit = limit;
                    limiter.set_global(&Limit::fixed(limit)).unwrap();
                }
                Step::Count => prop_assert_eq!(limiter.in_use(), model.in_use()),
                Step::Release(_) | Step::GiveUp(_) => {}
            }
            // Which of those in line got a permit is the line's to say, that they may is the rule's.
            let mut first = [[true; RESOURCES]; TENANTS];
            let mut still = Vec::new();
            for mut waiter in std::mem::take(&mut line) {
                match poll(&mut waiter.it) {
                    std::task::Poll::Ready(got) => {
                        let Held { tenant, resource, .. } = waiter;
                        prop_assert!(first[tenant][resource], "somebody of the tenant was before");
                        *model.held.entry((tenant, resource)).or_default() += 1;
                        held.push(Held { tenant, resource, it: got.unwrap() });
                    }
                    std::task::Poll::Pending => {
                        first[waiter.tenant][waiter.resource] = false;
                        still.push(waiter);
                    }
                }
            }
            line = still;
            for waiter in &line {
                let left = model.admits(waiter.tenant, waiter.resource);
                prop_assert!(!left, "a permit is left that a waiter may have");
            }
            for (tenant, id) in tenants.iter().enumerate() {
                for (resource, cap) in caps.iter().enumerate() {
                    let count = limiter.held(id, Resource::new(resource));
                    prop_assert_eq!(count, model.of(tenant, resource));
                    prop_assert!(count <= *cap);
                }
            }
            let known = (0..TENANTS).filter(|tenant| {
                model.of_tenant(*tenant) > 0 || line.iter().any(|waiter| waiter.tenant == *tenant)
            });
            prop_assert_eq!(limiter.tenants(), known.count());
            prop_assert_eq!(limiter.waiters(), line.len());
        }
        drop((held, line));
        assert_empty(&limiter);
    }
}
