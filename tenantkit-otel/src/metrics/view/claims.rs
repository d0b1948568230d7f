//! [`Claims`]: which instruments of other libraries are kept, so that their number has a bound.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::metrics::{Instrument, InstrumentKind};

use crate::metrics::Foreign;

/// What the SDK tells instruments apart by. Two of a name that differ in the rest are two streams, and each has as many
/// series as its declaration allows.
type Identity = (InstrumentationScope, String, InstrumentKind, String);

#[derive(Debug)]
pub(super) struct Claims {
    declared: Vec<Foreign>,
    undeclared: usize,
    kept: Mutex<Kept>,
}

/// Who has which place: a declaration by its number, or one of those for whom nobody declared anything.
#[derive(Debug, Default)]
struct Kept {
    places: HashMap<Identity, Option<usize>>,
    undeclared: usize,
}

/// What an instrument is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Claim<'f> {
    /// The first that was made of those that the declaration names.
    Declared(&'f Foreign),
    /// One of the first so many that nobody declared.
    Undeclared,
    /// One more than those.
    TooMany,
}

impl Claims {
    pub(super) fn new(declared: Vec<Foreign>, undeclared: usize) -> Self {
        Self { declared, undeclared, kept: Mutex::default() }
    }

    /// What it is: the same each time that it is asked for.
    pub(super) fn of(&self, instrument: &Instrument) -> Claim<'_> {
        let scope = instrument.scope();
        // Exporters put them on every series, and no view can take them away.
        if scope.attributes().next().is_some() {
            return Claim::TooMany;
        }
        let name = instrument.name().to_ascii_lowercase();
        let who = (scope.clone(), name, instrument.kind(), instrument.unit().to_owned());
        // Whole after a panic: a place is taken as a whole.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.places.get(&who).copied().or_else(|| self.take(&mut kept, who));
        match place {
            Some(Some(number)) => Claim::Declared(&self.declared[number]),
            Some(None) => Claim::Undeclared,
            None => Claim::TooMany,
        }
    }

    fn take(&self, kept: &mut Kept, who: Identity) -> Option<Option<usize>> {
        let is_free = |number: &usize| !kept.places.values().any(|it| *it == Some(*number));
        let named = |number: &usize| self.declared[*number].name.eq_ignore_ascii_case(&who.1);
        let place = (0..self.declared.len()).filter(named).find(is_free);
        if place.is_none() {
            if kept.undeclared >= self.undeclared {
                return None;
            }
            kept.undeclared += 1;
        }
        kept.places.insert(who, place);
        Some(place)
    }
}
