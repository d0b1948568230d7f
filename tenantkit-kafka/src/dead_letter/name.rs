//! Names of headers, which may be any bytes, as names that every client can show.

use std::fmt::Write;

/// Writes a name so that nothing but printable ASCII is in it. Two names never become one.
pub(super) fn encode(name: &[u8], is_whole: bool, into: &mut String) {
    for byte in name {
        match byte {
            b'%' | 0..=b' ' | 0x7F.. => {
                // Writing to a string cannot fail.
                let _ = write!(into, "%{byte:02X}");
            }
            byte => into.push(char::from(*byte)),
        }
    }
    if !is_whole {
        into.push_str("%00");
    }
}

/// The name again; `None` for what [`encode`] does not write.
pub(super) fn decode(name: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(name.len()), name);
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_comes_back_as_it_was(name in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut encoded = String::new();
            encode(&name, true, &mut encoded);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(decode(encoded.as_bytes()), Some(name));
        }

        #[test]
        fn what_is_no_such_name_never_panics(name in prop::collection::vec(any::<u8>(), 0..40)) {
            decode(&name);
        }
    }

    #[test]
    fn one_that_was_cut_says_so() {
        let mut encoded = String::new();
        encode(b"tenant_id", false, &mut encoded);
        assert_eq!(encoded, "tenant_id%00");
    }
}
