//! Ids, texts, tiers, keys and names.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use proptest::prelude::*;
use tenantkit_core::{
    Incarnation, InvalidTenantId, InvalidText, NameScheme, TenantId, Text, TierSet,
};

use crate::world::{START, World, id};

const RESERVED: [&str; 4] = ["system", "anonymous", "default", "public"];
const SCHEMAS: NameScheme = NameScheme::postgres("tenant_");
const LONGEST: NameScheme = NameScheme::postgres("fifteen_bytes__");
const TOPICS: NameScheme = NameScheme::topic("documents.");

/// `^[a-z0-9][a-z0-9_-]{0,47}$`, and not reserved: written without the code under test.
fn is_id(text: &str) -> bool {
    let first =
        text.chars().next().is_some_and(|c| "abcdefghijklmnopqrstuvwxyz0123456789".contains(c));
    let rest = text.chars().all(|c| "abcdefghijklmnopqrstuvwxyz0123456789_-".contains(c));
    first && rest && text.len() <= 48 && !RESERVED.contains(&text) && !text.starts_with("pg_")
}

fn ids() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9_-]{0,47}".prop_filter("reserved", |text| is_id(text))
}

/// Near misses: what an id is made of, with something else here and there.
fn near_ids() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9_-]{0,52}",
        "[a-zA-Z0-9_.:/ -]{0,8}",
        "(pg_|pg|system|default|public|anonymous)[a-z_]{0,2}",
        "[a-z]{1,4}\\PC[a-z]{0,4}",
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn an_id_is_what_the_pattern_says_and_nothing_else(text in near_ids()) {
        prop_assert_eq!(TenantId::new(&text).is_ok(), is_id(&text));
        prop_assert_eq!(TenantId::try_from(text.as_bytes()).ok(), TenantId::new(&text).ok());
    }

    #[test]
    fn an_id_is_its_text(one in ids(), other in ids()) {
        let (a, b) = (id(&one), id(&other));
        prop_assert_eq!(a.as_str(), &one);
        prop_assert_eq!(a.to_string(), &*one);
        prop_assert_eq!(a == b, one == other);
        prop_assert_eq!(a.cmp(&b), one.cmp(&other));
        let state = RandomState::new();
        prop_assert_eq!(state.hash_one(a), state.hash_one(one.as_str()));
        let map = HashMap::from([(a, 1)]);
        prop_assert_eq!(map.get(one.as_str()), Some(&1));
        let sorted = BTreeMap::from([(a, 1)]);
        prop_assert_eq!(sorted.get(one.as_str()), Some(&1));
        prop_assert_eq!(serde_json::to_string(&a).unwrap(), format!("\"{one}\""));
    }

    #[test]
    fn an_error_about_an_id_never_echoes_it(text in "[A-Z]{4}[a-z]{12,60}") {
        let error = TenantId::new(&text).unwrap_err();
        let told = format!("{error} {error:?}");
        // Long enough that it is no word of the message's own by chance.
        prop_assert!(!told.contains(&text[..8]) && !told.contains(&text[4..16]), "{}", told);
    }

    #[test]
    fn a_text_is_bounded_and_has_no_control_character(text in any::<String>()) {
        match Text::new(&text) {
            Ok(kept) => {
                prop_assert_eq!(kept.as_str(), &text);
                prop_assert!((1..=256).contains(&text.len()));
                prop_assert!(!text.chars().any(char::is_control));
            }
            Err(_) => {
                let breaks = |c: char| {
                    let (lines, isolates) = ('\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}');
                    c.is_control() || lines.contains(&c) || isolates.contains(&c)
                };
                let bad = text.is_empty() || text.len() > 256 || text.chars().any(breaks);
                prop_assert!(bad);
            }
        }
    }

    #[test]
    fn keys_of_two_tenants_or_incarnations_are_never_equal(
        one in ids(), other in ids(), first in 0..3_u64, second in 0..3_u64,
        a in "[a-c:]{0,4}", b in "[a-c:]{0,4}",
    ) {
        let (left, right) = (key(&one, first, &a), key(&other, second, &b));
        let same = one == other && first == second && a == b;
        prop_assert_eq!(left == right, same);
        prop_assert_eq!(left.to_string() == right.to_string(), same);
    }

    #[test]
    fn names_are_injective_and_never_longer_than_their_target_takes(one in ids(), other in ids()) {
        for (scheme, most) in [(SCHEMAS, 63), (LONGEST, 63), (TOPICS, 249)] {
            let (a, b) = (scheme.name(&id(&one)), scheme.name(&id(&other)));
            prop_assert_eq!(a == b, one == other);
            prop_assert!(a.as_str().len() <= most);
            prop_assert_eq!(scheme.tenant(a.as_str()), Some(id(&one)));
        }
    }
}

fn key(tenant: &str, incarnation: u64, key: &str) -> tenantkit_core::TenantKey<String> {
    let world = World::new();
    let gold = TierSet::METALS.get("gold").unwrap();
    let record = tenantkit_core::TenantRecord::active(gold)
        .incarnation(Incarnation::new(incarnation), START);
    world.directory.tenants.set(id(tenant), record);
    world.context(tenant).key(key.to_owned()).unwrap()
}

#[test]
fn an_error_about_an_id_says_where() {
    assert_eq!(TenantId::new(""), Err(InvalidTenantId::Empty));
    assert_eq!(TenantId::new(&"a".repeat(49)), Err(InvalidTenantId::TooLong { length: 49 }));
    assert!(TenantId::new(&"a".repeat(48)).is_ok());
    for (text, position) in [("-a", 0), ("_a", 0), ("aB", 1), ("ab\n", 2), ("a.b", 1), ("aé", 1)] {
        assert_eq!(TenantId::new(text), Err(InvalidTenantId::Byte { position }), "{text:?}");
    }
    assert_eq!(TenantId::try_from(&b"ab\xff"[..]), Err(InvalidTenantId::Byte { position: 2 }));
    for text in RESERVED.into_iter().chain(["pg_", "pg_catalog"]) {
        assert_eq!(TenantId::new(text), Err(InvalidTenantId::Reserved), "{text}");
    }
    assert!(TenantId::new("pg-1").is_ok() && TenantId::new("systems").is_ok());
}

#[test]
fn two_ids_of_which_one_starts_the_other_are_two() {
    let all: HashSet<TenantId> = ["a", "a0", "a-", "a_", "aa"].map(id).into();
    assert_eq!(all.len(), 5);
}

#[test]
fn a_text_refuses_what_makes_a_log_line_read_as_another() {
    for bad in
        ["a\nb", "a\rb", "\u{1b}[2J", "a\0", "a\u{85}", "a\u{2028}b", "a\u{202e}b", "a\u{2066}"]
    {
        let error = Text::new(bad).unwrap_err();
        assert!(matches!(error, InvalidText::Control { .. }), "{bad:?}");
    }
    assert_eq!(Text::new(""), Err(InvalidText::Empty));
    assert_eq!(Text::new(&"a".repeat(257)), Err(InvalidText::TooLong { length: 257 }));
    assert_eq!(Text::new("a\nb"), Err(InvalidText::Control { position: 1 }));
    assert!(Text::new("Ünïcode is fine").is_ok());
}

#[test]
fn tiers_are_ordered_as_declared_and_known_by_their_set_alone() {
    const TWO: TierSet = TierSet::new(&["free", "bronze"]);
    let (bronze, gold) =
        (TierSet::METALS.get("bronze").unwrap(), TierSet::METALS.get("gold").unwrap());
    assert!(bronze < gold && gold.rank() == 2 && gold.as_str() == "gold");
    assert!(TierSet::METALS.contains(gold));
    assert!(!TWO.contains(gold));
    // The same name at another place is another tier.
    assert!(!TWO.contains(bronze) && TWO.get("bronze").unwrap() != bronze);
    assert_eq!(TWO.iter().map(|tier| tier.to_string()).collect::<Vec<_>>(), ["free", "bronze"]);
    assert_eq!(TWO.get("Free"), None);
}

#[test]
fn time_saturates_and_a_manual_clock_moves_only_when_told() {
    use std::time::{Duration, SystemTime};
    use tenantkit_core::{Clock, ManualClock, SystemClock, UnixTime};

    let second = Duration::from_secs(1);
    assert_eq!(UnixTime::MAX.saturating_add(second), UnixTime::MAX);
    assert_eq!(UnixTime::EPOCH.saturating_sub(second), UnixTime::EPOCH);
    assert_eq!(UnixTime::from_secs(u64::MAX), UnixTime::MAX);
    assert_eq!(UnixTime::from_secs(2).since(UnixTime::from_secs(3)), Duration::ZERO);
    assert_eq!(UnixTime::from_secs(3).since(UnixTime::from_secs(2)), second);
    assert_eq!(UnixTime::from_millis(2999).as_secs(), 2);
    assert_eq!(UnixTime::from(SystemTime::UNIX_EPOCH - second), UnixTime::EPOCH);
    assert_eq!(UnixTime::from(SystemTime::UNIX_EPOCH + second), UnixTime::from_secs(1));

    let clock = ManualClock::at(START);
    let same = clock.clone();
    clock.advance(second);
    assert_eq!((same.now(), same.monotonic()), (START.saturating_add(second), second));
    clock.step_to(UnixTime::EPOCH);
    assert_eq!((same.now(), same.monotonic()), (UnixTime::EPOCH, second));

    clock.advance(Duration::MAX);
    assert_eq!((same.now(), same.monotonic()), (UnixTime::MAX, Duration::from_nanos(u64::MAX)));

    let system = SystemClock::new();
    let first = system.monotonic();
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(1) {}
    assert!(system.monotonic() >= first + Duration::from_millis(1));
    assert!(system.now() > START.saturating_sub(Duration::from_secs(100_000_000)));
}

#[test]
fn every_reason_has_one_stable_name_and_says_what_to_do() {
    use tenantkit_core::{Door, Reason, Refusal, RefusalCode};

    let kebab = |name: &str| name.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
    let names: HashSet<_> = Reason::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(names.len(), Reason::ALL.len());
    for (at, reason) in Reason::ALL.iter().enumerate() {
        assert!(kebab(reason.as_str()) && reason.advice().ends_with('.'), "{reason:?}");
        // What keys a bucket by its place relies on this.
        assert_eq!(*reason as usize, at);
    }
    for code in RefusalCode::ALL {
        assert!(kebab(code.as_str()));
        assert!(Reason::ALL.iter().any(|it| it.code() == *code), "{code}");
    }
    let wait = std::time::Duration::from_secs(2);
    let refusal = Refusal::new(Reason::RateExceeded, Door::Permit).retry_after(wait);
    assert_eq!((refusal.wait(), refusal.door()), (Some(wait), Door::Permit));
    assert_eq!(refusal.to_string(), "permit refused: the tenant's rate is used up");
}

#[test]
fn a_bad_tier_set_is_refused_where_it_is_declared() {
    for bad in [
        &[][..],
        &["a"; 2],
        &["A"],
        &[""],
        &["1a"],
        &["a-b"],
        &["a_name_of_twenty_five_char"],
        &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"],
    ] {
        assert!(std::panic::catch_unwind(|| TierSet::new(bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn a_prefix_that_the_target_would_cut_fold_or_take_for_its_own_is_refused() {
    for bad in ["", "a_prefix_of_16b_", "pg_", "pg_t_", "1_", "Tenant_", "a-_", "a\"_", "a._", "é_"]
    {
        assert!(std::panic::catch_unwind(|| NameScheme::postgres(bad)).is_err(), "{bad:?}");
    }
    for bad in ["", "__a", "a b", "a/", "é", Box::leak("a".repeat(202).into_boxed_str())] {
        assert!(std::panic::catch_unwind(|| NameScheme::topic(bad)).is_err(), "{bad:?}");
    }
    assert!(
        std::panic::catch_unwind(|| NameScheme::topic(Box::leak("a".repeat(201).into()))).is_ok()
    );
}

#[test]
fn no_prefix_and_id_make_a_name_that_postgres_has() {
    // Each is a prefix and an id that would both be good: `p` and `g_monitor`, `template` and `1`.
    let taken =
        ["pg_monitor", "public", "postgres", "template1", "information_schema", "none", "pg_toast"];
    for name in taken {
        for at in 1..name.len() {
            let (prefix, id) = name.split_at(at);
            let made =
                std::panic::catch_unwind(|| NameScheme::postgres(prefix)).is_ok_and(|scheme| {
                    TenantId::new(id).is_ok_and(|id| scheme.name(&id).as_str() == name)
                });
            assert!(!made, "{prefix} {id}");
        }
    }
    assert!(std::panic::catch_unwind(|| NameScheme::postgres("_")).is_ok());
}

#[test]
fn two_tenants_do_not_share_a_schema_although_postgres_cuts_names() {
    // tenant_ and 63 characters: Postgres would keep 63 of them.
    let (one, other) = (format!("{}a", "x".repeat(47)), format!("{}b", "x".repeat(47)));
    let cut = |name: &str| name[..name.len().min(63)].to_owned();
    assert_ne!(cut(LONGEST.name(&id(&one)).as_str()), cut(LONGEST.name(&id(&other)).as_str()));
    assert!(TenantId::new(&"x".repeat(56)).is_err());
}

#[test]
fn a_name_is_quoted_where_its_target_needs_it() {
    let acme = id("acme-eu");
    assert_eq!(SCHEMAS.name(&acme).quoted(), "\"tenant_acme-eu\"");
    assert_eq!(SCHEMAS.name(&acme).to_string(), "tenant_acme-eu");
    assert_eq!(TOPICS.name(&acme).quoted(), "documents.acme-eu");
    assert_eq!(SCHEMAS.tenant("tenant_"), None);
    assert_eq!(SCHEMAS.tenant("tenant_public"), None);
    assert_eq!(SCHEMAS.tenant("other_acme"), None);
}
