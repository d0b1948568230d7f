//! Whatever is a tenant id is one by the documented rule, and comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantkit_core::TenantId;

fuzz_target!(|bytes: &[u8]| {
    let allowed = |at: usize, byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || (at > 0 && (byte == b'-' || byte == b'_'))
    };
    let reserved = bytes.starts_with(b"pg_")
        || [&b"system"[..], b"anonymous", b"default", b"public"].contains(&bytes);
    let expected = (1..=48).contains(&bytes.len())
        && bytes.iter().enumerate().all(|(at, byte)| allowed(at, *byte))
        && !reserved;
    let found = TenantId::try_from(bytes);
    assert_eq!(found.is_ok(), expected);
    if let Ok(id) = found {
        assert_eq!(id.as_str().as_bytes(), bytes);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
});
