//! [`Ledger`]: what was declared and what is left.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tenantkit_core::TierSet;

use super::{Foreign, MetricsError, Series, name};
use crate::label::Dimension;

/// What was declared and what is left of the budget.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) tiers: TierSet,
    budget: usize,
    foreign: usize,
    entries: Mutex<Vec<Entry>>,
    others: AtomicU64,
    dropped: AtomicU64,
}

/// An instrument that was declared.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) scope: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) unit: &'static str,
    pub(super) description: &'static str,
    pub(super) dimensions: Vec<Dimension>,
    /// How many series each combination of labels has.
    pub(super) each: usize,
}

impl Entry {
    pub(super) fn combinations(&self) -> usize {
        self.dimensions.iter().fold(1, |product, it| product.saturating_mul(it.values.len()))
    }

    pub(super) fn series(&self) -> usize {
        self.combinations().saturating_mul(self.each)
    }
}

impl Ledger {
    /// What is kept of an instrument that nobody declared.
    const UNDECLARED_EACH: usize = 3;

    pub(super) fn new(
        tiers: TierSet,
        budget: usize,
        foreign: &[Foreign],
        undeclared: usize,
    ) -> Result<Self, MetricsError> {
        let undeclared = undeclared.saturating_mul(Self::UNDECLARED_EACH);
        let needed = foreign.iter().fold(undeclared, |sum, it| sum.saturating_add(it.series()));
        if needed > budget {
            let what = "what other libraries may have";
            return Err(MetricsError::OverBudget { what, needed, left: budget, budget });
        }
        Ok(Self {
            tiers,
            budget,
            foreign: needed,
            entries: Mutex::default(),
            others: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    /// Writes an instrument down, if it is well formed and there is room.
    pub(super) fn enter(&self, entry: Entry) -> Result<(), MetricsError> {
        name::check_name(entry.name)?;
        name::check_unit(entry.unit)?;
        name::check_labels(&entry.dimensions)?;
        let mut entries = self.entries();
        if entries.iter().any(|it| it.name == entry.name) {
            return Err(MetricsError::Twice(entry.name));
        }
        let used = entries.iter().fold(self.foreign, |sum, it| sum.saturating_add(it.series()));
        let (needed, left) = (entry.series(), self.budget.saturating_sub(used));
        if needed > left {
            let (what, budget) = (entry.name, self.budget);
            return Err(MetricsError::OverBudget { what, needed, left, budget });
        }
        entries.push(entry);
        Ok(())
    }

    /// Whether an instrument of the application has that name there, in whatever case.
    pub(super) fn has(&self, scope: &str, name: &str) -> bool {
        self.entries().iter().any(|it| it.scope == scope && it.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn series(&self) -> Series {
        let own = self.entries().iter().map(Entry::series).sum();
        Series { own, foreign: self.foreign, budget: self.budget }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // It is only pushed to.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    pub(super) fn count_others(&self, others: u32) {
        self.others.fetch_add(others.into(), Relaxed);
    }

    pub(super) fn others(&self) -> u64 {
        self.others.load(Relaxed)
    }

    pub(super) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}
