//! Whatever is a text is short, has no control character, and comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantkit_core::Text;

fuzz_target!(|text: &str| {
    if let Ok(parsed) = Text::new(text) {
        assert_eq!(parsed.as_str(), text);
        assert!((1..=256).contains(&text.len()));
        assert!(!text.chars().any(char::is_control));
    }
});
