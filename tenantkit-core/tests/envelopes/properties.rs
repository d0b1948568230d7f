//! Nothing but the envelope itself holds, and only for its record.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;
use tenantkit_core::WireRecord;

use crate::common::{World, claims, record};

static SETUP: LazyLock<(World, String)> = LazyLock::new(|| {
    let world = World::new();
    let envelope = world.seal(&record());
    (world, envelope)
});

#[test]
fn an_envelope_with_any_bit_flipped_is_refused() {
    let (world, envelope) = &*SETUP;
    for at in 0..envelope.len() {
        for bit in 0..8 {
            let mut bytes = envelope.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if let Ok(flipped) = String::from_utf8(bytes) {
                assert!(world.refused(&flipped).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn the_longest_envelope_that_is_sealed_can_be_opened() {
    let world = World::new();
    // What costs the most room in JSON: two bytes for each.
    let (long, topic) = ("\"".repeat(256), "t".repeat(249));
    let mut claims = claims();
    claims["jti"] = json!(long);
    claims["txn"] = json!(long);
    claims["sub"] = json!(long);
    claims["tctx"]["sub_iss"] = json!(long);
    claims["tctx"]["region"] = json!(long);
    claims["tctx"]["act"] = json!({"iss": long, "sub": long});
    claims["rec"]["topic"] = json!(topic);
    let envelope = world.sign(&claims);
    let record = WireRecord::new(&topic, Some(b"7"), Some(b"changed"));
    assert!(world.open(&envelope, &record).is_ok(), "{} bytes", envelope.len());
}

type Parts = (String, Option<Vec<u8>>, Option<Vec<u8>>, bool);

/// Few enough that two are often the same.
fn parts() -> impl Strategy<Value = Parts> {
    let bytes = || proptest::option::of(proptest::collection::vec(0..2_u8, 0..2));
    ("[ab]", bytes(), bytes(), any::<bool>())
}

fn wire((topic, key, payload, is_compacted): &Parts) -> WireRecord<'_> {
    WireRecord::new(topic, key.as_deref(), payload.as_deref()).compacted(*is_compacted)
}

proptest! {
    #[test]
    fn an_envelope_opens_for_its_record_and_for_no_other(one in parts(), other in parts()) {
        let (world, _) = &*SETUP;
        let envelope = world.seal(&wire(&one));
        prop_assert!(world.open(&envelope, &wire(&one)).is_ok());
        prop_assert_eq!(world.open(&envelope, &wire(&other)).is_ok(), one == other);
    }

    #[test]
    fn no_text_opens(text in "\\PC{0,200}") {
        prop_assert!(SETUP.0.refused(&text).is_err());
    }

    #[test]
    fn what_the_edge_signs_never_panics(claims in any::<String>()) {
        let (world, _) = &*SETUP;
        let envelope = tenantkit_core::test_util::sign(
            &world.edge,
            crate::common::HEADER,
            &claims,
        );
        prop_assert!(world.refused(&envelope).is_err());
    }
}
