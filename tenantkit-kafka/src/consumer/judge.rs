//! [`Judge`]: in whose lane a record goes, and whether it is handled or refused.

use std::sync::{Arc, Mutex, PoisonError};

use tenantkit_core::{Door, Reason, Refusal, RefusalCode, Text, Tier};

use super::{
    duplicates::Duplicates,
    lane::Lane,
    partition::Place,
    policy::{Policy, Proof, Wire},
    task::What,
};
use crate::Headers;

#[derive(Debug)]
pub(super) struct Judge {
    pub(super) policy: Policy,
    duplicates: Mutex<Duplicates>,
}

/// What a record is taken for.
pub(super) struct Judged {
    pub(super) lane: Lane,
    pub(super) tier: Option<Tier>,
    pub(super) what: What,
}

impl Judge {
    pub(super) fn new(policy: Policy, duplicates: usize) -> Arc<Self> {
        Arc::new(Self { policy, duplicates: Mutex::new(Duplicates::new(duplicates)) })
    }

    pub(super) fn judge(
        &self,
        wire: &Wire<'_>,
        headers: &Headers,
        readable: Result<(), Reason>,
        at: (&Place, i64),
    ) -> Judged {
        let refuse = |reason| Refusal::new(reason, Door::Consume);
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let proof = readable.map_err(refuse).and_then(|()| {
            if len(wire.key) + len(wire.payload) + headers.bytes() > self.policy.bytes {
                return Err(refuse(Reason::OversizeRecord));
            }
            self.policy.prove(wire, headers)
        });
        match proof.and_then(|proof| self.once(proof, at)) {
            Err(refusal) => {
                Judged { lane: Lane::Unverified, tier: None, what: What::Refuse(refusal) }
            }
            Ok(proof) => {
                let lane = Lane::Tenant(*proof.tenant());
                // Looked up in memory. Each attempt asks again.
                match proof.context() {
                    Ok(context) => {
                        let tier = Some(context.tier());
                        Judged { lane, tier, what: What::Handle(proof) }
                    }
                    Err(refusal) if is_of_now(refusal.code()) => {
                        Judged { lane, tier: None, what: What::Handle(proof) }
                    }
                    Err(refusal) => {
                        self.forget(&proof);
                        Judged { lane, tier: None, what: What::Refuse(refusal) }
                    }
                }
            }
        }
    }

    /// A record that became a dead letter may come back.
    pub(super) fn forget(&self, proof: &Proof) {
        if let Some(name) = name(proof) {
            self.duplicates().forget(name);
        }
    }

    fn once(&self, proof: Proof, (place, offset): (&Place, i64)) -> Result<Proof, Refusal> {
        let Proof::Envelope(opened) = &proof else { return Ok(proof) };
        if !self.duplicates().note(opened.jti(), place, offset) {
            return Err(opened.refuse(Reason::DuplicateRecord));
        }
        Ok(proof)
    }

    fn duplicates(&self) -> std::sync::MutexGuard<'_, Duplicates> {
        // What is under the lock is only what was seen.
        self.duplicates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(proof: &Proof) -> Option<&Text> {
    match proof {
        Proof::Envelope(opened) => Some(opened.jti()),
        Proof::Plain(..) => None,
    }
}

/// Whether the tenant may later, or an attempt finds out.
pub(super) fn is_of_now(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::Overloaded
            | RefusalCode::Moving
            | RefusalCode::RateLimited
            | RefusalCode::TooManyInFlight
            | RefusalCode::CircuitOpen
    )
}
