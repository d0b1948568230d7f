//! The cache of opened envelopes stands for the signature, and for nothing else.

use tenantkit_core::{Reason, WireRecord};

use crate::common::{DAY, World, after, claims, record};

#[test]
fn a_cached_envelope_is_another_records_as_little_as_before() {
    let world = World::new();
    let envelope = world.seal(&record());
    for _ in 0..3 {
        assert_eq!(world.refused(&envelope), Ok(()));
        let other = WireRecord::new("documents", Some(b"7"), Some(b"other"));
        assert_eq!(world.open(&envelope, &other).unwrap_err(), Reason::WrongPayload);
    }
    world.test.clock().step_to(after(30 * DAY));
    assert_eq!(world.refused(&envelope), Err(Reason::Expired));
}

#[test]
fn a_cached_envelope_is_compared_whole() {
    let world = World::new();
    let envelope = world.sign(&claims());
    assert_eq!(world.refused(&envelope), Ok(()));
    let mut other = claims();
    other["sub"] = "bobby".into();
    let other = world.sign(&other);
    // The claims of one under the signature of the other, which is the part that is hashed.
    let forged =
        format!("{}.{}", other.rsplit_once('.').unwrap().0, envelope.rsplit_once('.').unwrap().1);
    assert_eq!(world.refused(&forged), Err(Reason::BadSignature));
}

#[test]
fn the_cache_is_bounded_in_bytes() {
    const MAX_BYTES: u64 = 64 * 1024;
    let world = World::with(|it| it.cache_bytes(MAX_BYTES));
    for _ in 0..300 {
        assert_eq!(world.refused(&world.seal(&record())), Ok(()));
    }
    let shown = format!("{:?}", world.envelopes);
    let bytes = shown.split("VerifiedCache { bytes: ").nth(1).unwrap();
    let bytes: u64 = bytes.split(',').next().unwrap().parse().unwrap();
    assert!(bytes > MAX_BYTES / 2, "something is kept: {bytes}");
    assert!(bytes <= MAX_BYTES, "{bytes}");
}
