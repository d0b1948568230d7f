//! [`Proofs`]: what several sources proved of one caller.

use std::sync::Arc;

use crate::{Identity, Reason, Scopes};

/// What all that established say together, and each of them as it was.
pub(super) struct Proofs {
    pub(super) identity: Arc<Identity>,
    /// Empty where there is only one proof.
    each: Vec<Arc<Identity>>,
}

impl Proofs {
    pub(super) const fn one(identity: Arc<Identity>) -> Self {
        Self { identity, each: Vec::new() }
    }

    pub(super) fn add(&mut self, other: Arc<Identity>) -> Result<(), Reason> {
        let said = &self.identity;
        if said.subject != other.subject
            || self.all().any(|one| differ(one.incarnation, other.incarnation))
            || differ(said.actor.as_ref(), other.actor.as_ref())
            || differ(said.region.as_ref(), other.region.as_ref())
        {
            return Err(Reason::SourcesDisagree);
        }
        if self.each.is_empty() {
            self.each.push(Arc::clone(said));
        }
        let adds_actor = said.actor.is_none() && other.actor.is_some();
        let scopes = in_both(&said.scopes, &other.scopes);
        if adds_actor || scopes.is_some() || other.expires < said.expires {
            let together = Arc::make_mut(&mut self.identity);
            // Who really acts is not lost because another proof does not tell.
            if adds_actor {
                together.actor.clone_from(&other.actor);
            }
            // It may do what each of them says that it may.
            if let Some(scopes) = scopes {
                together.scopes = scopes;
            }
            // The context lives no longer than the shortest of its proofs.
            together.expires = together.expires.min(other.expires);
            // The token says less of who acts, or allows more, or for longer: the next hop is not to
            // get that one.
            together.token = None;
        }
        self.each.push(other);
        Ok(())
    }

    /// Each as it was proved.
    pub(super) fn all(&self) -> impl Iterator<Item = &Identity> {
        let only = self.each.is_empty().then_some(&self.identity);
        only.into_iter().chain(&self.each).map(|proof| &**proof)
    }
}

/// The scopes that stand in both; `None` where those are all of the first.
fn in_both(one: &Scopes, other: &Scopes) -> Option<Scopes> {
    if one.iter().all(|scope| other.contains(scope)) {
        return None;
    }
    let both: Vec<&str> = one.iter().filter(|scope| other.contains(scope)).collect();
    // A part of a list is one; none is what is left where it were not.
    Some(Scopes::new(&both.join(" ")).unwrap_or_default())
}

fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}
