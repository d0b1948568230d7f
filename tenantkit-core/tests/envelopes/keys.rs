//! Keys have a use, a workload and a window, and are replaced while envelopes rest.

use tenantkit_core::{Algorithm, Envelopes, KeyError, KeyUse, Reason, SigningKey};

use crate::common::{DAY, DOMAIN, NOW, World, after, claims, key, key_on, keys, record, terms};

#[test]
fn a_key_seals_only_what_it_is_for() {
    let txn = key_on(terms("edge-1", KeyUse::Txn, "edge"));
    let other = key("other-1", "other");
    let edge = key("edge-1", "edge");
    let with = |key: &SigningKey, known: &SigningKey| {
        let envelopes = Envelopes::new(DOMAIN, "edge", keys([known])).unwrap();
        envelopes.signing(key.clone()).map(drop)
    };
    assert_eq!(with(&edge, &edge), Ok(()));
    assert_eq!(with(&txn, &txn), Err(KeyError::Use));
    assert_eq!(with(&other, &other), Err(KeyError::Workload));
    assert_eq!(with(&edge, &key("edge-1", "edge")), Err(KeyError::NotVerified));
}

#[test]
fn both_algorithms_seal() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = SigningKey::generate(terms("k", KeyUse::Envelope, "edge"), algorithm).unwrap();
        let world = World::of(key, |it| it);
        assert_eq!(world.refused(&world.seal(&record())), Ok(()), "{algorithm}");
    }
}

#[test]
fn a_keys_window_is_judged_by_when_the_broker_appended() {
    let terms = terms("edge-1", KeyUse::Envelope, "edge").valid(NOW, after(DAY));
    let world = World::of(key_on(terms), |it| it);
    let envelope = world.seal(&record());
    let at = |secs| world.open(&envelope, &record().appended(Some(after(secs)))).map(drop);
    // Long after the key's end, for a record from before it.
    world.test.clock().step_to(after(20 * DAY));
    for _ in 0..2 {
        assert_eq!(at(1), Ok(()));
        assert_eq!(at(DAY - 1), Ok(()));
        assert_eq!(at(DAY), Err(Reason::KeyOutsideWindow));
        // Without the broker's time it is judged by now.
        assert_eq!(world.refused(&envelope), Err(Reason::KeyOutsideWindow));
    }
    // Who has the old key signs nothing new, whatever time it says.
    let stolen = world.sign(&claims());
    let appended = record().appended(Some(after(20 * DAY)));
    assert_eq!(world.open(&stolen, &appended).unwrap_err(), Reason::KeyOutsideWindow);
}

#[test]
fn a_key_outside_its_window_seals_nothing() {
    let terms = terms("edge-1", KeyUse::Envelope, "edge").valid(NOW, after(DAY));
    let world = World::of(key_on(terms), |it| it);
    let context = world.test.context("acme");
    world.test.clock().step_to(NOW.saturating_sub(std::time::Duration::from_secs(1)));
    let refused = world.test.authority().seal(&context, &record()).unwrap_err();
    assert_eq!(refused.reason(), Reason::CannotMint);
}

#[test]
fn a_key_that_is_taken_away_opens_nothing_and_seals_nothing_at_once() {
    let world = World::new();
    let envelope = world.seal(&record());
    assert_eq!(world.refused(&envelope), Ok(()));
    let next = key("edge-2", "edge");
    world.envelopes.keys().replace([next.verifying_key().clone()]).unwrap();
    assert_eq!(world.refused(&envelope), Err(Reason::UnknownKey));
    let context = world.test.context("acme");
    let refused = world.test.authority().seal(&context, &record()).unwrap_err();
    assert_eq!(refused.reason(), Reason::CannotMint);

    world.envelopes.replace_signing(next).unwrap();
    assert_eq!(world.refused(&world.seal(&record())), Ok(()));
    let unsigned = Envelopes::new(DOMAIN, "edge", keys([&world.edge])).unwrap();
    assert_eq!(unsigned.replace_signing(world.edge.clone()), Err(KeyError::NotSigning));
}
