//! The token that goes with an outbound call.

use std::{sync::Arc, time::Duration};

use tenantkit_core::{
    Algorithm, Asserts, AuditAction, AuditEvent, AuditSink, Claim, Commit, Door, Identity, KeySet,
    KeyTerms, KeyUse, Reason, RefusalCode, SigningKey, Source, TenantContext, TxnTokens, UnixTime,
};

use crate::world::{LIFE, Says, World, id, identity, subject};

fn keys() -> (SigningKey, KeySet) {
    let terms = KeyTerms::new("edge-1".parse().unwrap(), KeyUse::Txn, "edge".parse().unwrap());
    let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
    let set = KeySet::new([key.verifying_key().clone()]).unwrap();
    (key, set)
}

fn tokens(workload: &str, keys: KeySet) -> TxnTokens {
    TxnTokens::new("acmedocs.example", workload, keys).unwrap()
}

fn world(tokens: TxnTokens) -> World {
    World::of(|builder| builder.establish(Says::word(), Asserts::Any).txn_tokens(tokens))
}

#[test]
fn a_context_has_one_token_until_the_next_hop_would_get_an_old_one() {
    let (key, set) = keys();
    let edge = world(tokens("edge", set).signing(key).unwrap());
    let acme = edge.context("acme");
    let first = edge.authority.outbound_token(&acme).unwrap();
    // Three quarters of a token's life of 120 s.
    edge.clock.advance(Duration::from_millis(89_999));
    assert!(Arc::ptr_eq(&first, &edge.authority.outbound_token(&acme).unwrap()));
    edge.clock.advance(Duration::from_millis(1));
    let second = edge.authority.outbound_token(&acme).unwrap();
    assert_ne!(first, second);
    edge.clock.advance(LIFE);
    let refusal = edge.authority.outbound_token(&acme).unwrap_err();
    assert_eq!((refusal.reason(), refusal.door()), (Reason::Expired, Door::Call));
}

#[test]
fn the_next_service_believes_it_and_forwards_it_unmodified_without_a_key() {
    let (key, set) = keys();
    let edge = world(tokens("edge", set.clone()).signing(key).unwrap());
    let documents = world(tokens("documents", set));
    let acme = edge.context("acme/ann");
    let token = edge.authority.outbound_token(&acme).unwrap();

    let there = documents.identify(&[Source::TxnToken], &[("txn-token", &token)]).unwrap();
    assert_eq!(there.tenant(), acme.tenant());
    assert_eq!(there.subject(), acme.subject());
    assert_eq!(there.transaction(), acme.transaction());
    assert_eq!(there.incarnation(), acme.incarnation());
    assert!(there.expires() <= acme.expires());
    assert_eq!(there.provenance().established_by(), Source::TxnToken);
    assert_eq!(*documents.authority.outbound_token(&there).unwrap(), *token);
}

/// A service that gets a token and, beside it, what `proved` makes of the word.
fn beside(
    tokens: TxnTokens,
    proved: impl Fn(Identity, UnixTime) -> Identity + Send + Sync + 'static,
) -> World {
    let word = Says::new("word", "x-word", move |_, now| {
        Ok(Some(Claim::Establishes(Arc::new(proved(identity("acme", "ann", now), now)))))
    });
    World::of(|builder| builder.establish(word, Asserts::Any).txn_tokens(tokens))
}

#[test]
fn a_token_that_says_less_than_the_context_is_not_forwarded() {
    type Proved = fn(Identity, UnixTime) -> Identity;
    let same: Proved = |identity, _| identity.scopes("read write".parse().unwrap());
    let acting: Proved =
        |identity, _| identity.scopes("read write".parse().unwrap()).actor(subject("support"));
    let shorter: Proved = |_, now| {
        let until = now.saturating_add(Duration::from_secs(7));
        let identity = Identity::new(id("acme"), subject("ann"), until);
        identity.scopes("read write".parse().unwrap())
    };
    let less: Proved = |identity, _| identity.scopes("read".parse().unwrap());
    let no_more: Proved = |identity, _| identity.scopes("read write delete".parse().unwrap());
    // As the token does.
    let as_long: Proved = |_, now| {
        let until = now.saturating_add(Duration::from_secs(120));
        let identity = Identity::new(id("acme"), subject("ann"), until);
        identity.scopes("read write".parse().unwrap())
    };

    let (key, set) = keys();
    let edge_key = key.verifying_key().clone();
    let edge = beside(tokens("edge", set.clone()).signing(key).unwrap(), same);
    let token = edge.authority.outbound_token(&edge.context("acme")).unwrap();
    let both = [("txn-token", &*token), ("x-word", "acme")];
    let sources = [Source::TxnToken, Says::WORD];

    for proved in [acting, shorter, less] {
        // Without a key there is nothing that it could send.
        let documents = beside(tokens("documents", set.clone()), proved);
        let there = documents.identify(&sources, &both).unwrap();
        let refusal = documents.authority.outbound_token(&there).unwrap_err();
        assert_eq!(refusal.reason(), Reason::CannotMint);

        // With one it says all that it knows.
        let terms =
            KeyTerms::new("doc-1".parse().unwrap(), KeyUse::Txn, "documents".parse().unwrap());
        let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
        let all = KeySet::new([edge_key.clone(), key.verifying_key().clone()]).unwrap();
        let documents = tokens("documents", all.clone()).signing(key).unwrap();
        let documents = beside(documents, proved);
        let there = documents.identify(&sources, &both).unwrap();
        let sent = documents.authority.outbound_token(&there).unwrap();
        assert_ne!(sent, token);
        let next = world(tokens("search", all));
        let next = next.identify(&[Source::TxnToken], &[("txn-token", &sent)]).unwrap();
        assert_eq!(next.actor(), there.actor());
        assert!(next.scopes().eq(there.scopes()));
        assert!(next.expires() <= there.expires());
        assert_eq!(next.transaction(), there.transaction());
    }
    for proved in [no_more, as_long] {
        let documents = beside(tokens("documents", set.clone()), proved);
        let there = documents.identify(&sources, &both).unwrap();
        assert_eq!(documents.authority.outbound_token(&there).unwrap(), token);
    }
}

#[test]
fn a_service_without_a_key_cannot_mint() {
    let (_, set) = keys();
    for world in [World::new(), world(tokens("documents", set))] {
        let acme = world.context("acme");
        let refusal = world.authority.outbound_token(&acme).unwrap_err();
        assert_eq!((refusal.reason(), refusal.door()), (Reason::CannotMint, Door::Mint));
        assert_eq!(refusal.code(), RefusalCode::NotAllowed);
        assert_eq!(world.last_event().action, AuditAction::Refused(refusal));
        assert_eq!(world.last_event().tenant, Some(*acme.tenant()));
    }
}

#[test]
fn a_sink_that_makes_a_call_about_a_failed_call_does_not_deadlock() {
    #[derive(Debug, Default)]
    struct Calls(std::sync::OnceLock<TenantContext>);
    impl AuditSink for Calls {
        fn record(&self, event: AuditEvent) {
            if let (Some(context), AuditAction::Refused(refusal)) = (self.0.get(), event.action)
                && refusal.door() == Door::Mint
            {
                // Refused again, and told again, until the sampler has had enough.
                let _ = context.authority().outbound_token(context);
            }
        }
        fn commit(&self, event: AuditEvent) -> Commit {
            self.record(event);
            Commit::ready(Ok(()))
        }
    }
    let sink = Arc::new(Calls::default());
    let world =
        World::of(|builder| builder.establish(Says::word(), Asserts::Any).audit(Arc::clone(&sink)));
    let acme = world.context("acme");
    sink.0.set(acme.clone()).unwrap();
    assert!(world.authority.outbound_token(&acme).is_err());
}

#[test]
fn an_outbound_call_is_a_door() {
    let (key, set) = keys();
    let edge = world(tokens("edge", set).signing(key).unwrap());
    let (acme, globex) = (edge.context("acme"), edge.context("globex"));
    let refusal = globex.in_scope(|| edge.authority.outbound_token(&acme)).unwrap().unwrap_err();
    assert_eq!((refusal.code(), refusal.door()), (RefusalCode::Mismatch, Door::Call));
    // A token that is kept does not outlive the tenant's good standing.
    edge.authority.outbound_token(&acme).unwrap();
    edge.change("acme", |record| record.status(tenantkit_core::TenantStatus::Suspended));
    assert_eq!(edge.authority.outbound_token(&acme).unwrap_err().code(), RefusalCode::Suspended);
}
