//! Identity headers that a hop could read in two ways are refused.

use proptest::prelude::*;
use tenantkit_core::{
    CannotCarry, Carrier, Inbound, MAX_IDENTITY_HEADER_LEN, Reason, RefusalCode, Source,
};

use crate::world::{Says, World};

/// A carrier that shows whatever it is given, as a Kafka record does.
struct Raw(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Raw {
    fn new(entries: &[(&str, &str)]) -> Self {
        let bytes = |text: &str| text.as_bytes().to_vec();
        Self(entries.iter().map(|(name, value)| (bytes(name), Some(bytes(value)))).collect())
    }
}

impl Carrier for Raw {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], Option<&'a [u8]>)) {
        for (name, value) in &self.0 {
            visit(name, value.as_deref());
        }
    }

    fn put(&mut self, _: &'static str, _: &str) -> Result<(), CannotCarry> {
        unreachable!("read only")
    }

    fn strip(&mut self, _: &str) {
        unreachable!("read only")
    }
}

fn judge(carrier: &Raw) -> Result<String, Reason> {
    let world = World::new();
    let listener = world.authority.listener().admit(Says::WORD);
    let outcome = listener.identify(Inbound::new(carrier));
    // Whatever it was, it is not told, and the directory was not asked on its behalf.
    match outcome {
        Ok(context) => Ok(context.tenant().to_string()),
        Err(refusal) => {
            assert_eq!(world.directory.asked(), 0);
            assert!(world.last_event().tenant.is_none());
            Err(refusal.reason())
        }
    }
}

#[test]
fn one_header_in_its_own_form_is_read() {
    assert_eq!(judge(&Raw::new(&[("x-word", "acme"), ("accept", "*/*")])), Ok("acme".into()));
}

#[test]
fn duplicates_are_refused_even_when_they_agree() {
    for second in ["acme", "globex"] {
        let carrier = Raw::new(&[("x-word", "acme"), ("x-word", second)]);
        assert_eq!(judge(&carrier), Err(Reason::DuplicateHeader));
    }
}

#[test]
fn a_name_that_some_hop_takes_for_an_identity_header_is_refused() {
    for alias in [
        "x_word",
        "X-Word",
        "X_WORD",
        "x_tenant_id",
        "x-tenant_id",
        "Txn_Token",
        "txn_token",
        "txn.token",
        "x-tenant~id",
        "Authorization",
    ] {
        for carrier in [
            Raw::new(&[(alias, "acme")]),
            Raw::new(&[("x-word", "acme"), (alias, "acme")]),
            Raw::new(&[(alias, "acme"), ("x-word", "acme")]),
        ] {
            assert_eq!(judge(&carrier), Err(Reason::AliasedHeader), "{alias}");
        }
    }
    // A header map folds the case of names itself, so an underscore is what is left there.
    let world = World::new();
    let refusal = world.identify(&[Says::WORD], &[("x_tenant_id", "acme")]).unwrap_err();
    assert_eq!(
        (refusal.reason(), refusal.code()),
        (Reason::AliasedHeader, RefusalCode::Unverified)
    );
}

#[test]
fn a_proxy_is_not_told_to_strip_an_identity_header() {
    for connection in
        ["txn-token", "close, Txn-Token", "x-tenant-id,close", " x_word ", "keep-alive,X-WORD"]
    {
        for name in ["connection", "Connection"] {
            let carrier = Raw::new(&[("x-word", "acme"), (name, connection)]);
            assert_eq!(judge(&carrier), Err(Reason::HopByHopHeader), "{connection}");
        }
    }
    let carrier = Raw::new(&[("x-word", "acme"), ("connection", "keep-alive, upgrade")]);
    assert_eq!(judge(&carrier), Ok("acme".into()));
    let carrier =
        Raw(vec![(b"connection".to_vec(), None), (b"x-word".to_vec(), Some(b"acme".into()))]);
    assert_eq!(judge(&carrier), Ok("acme".into()));
}

#[test]
fn an_oversize_header_is_refused_before_it_is_parsed() {
    let world = World::of(|builder| {
        let says = Says::new("word", "x-word", |value, _| {
            assert!(value.len() <= MAX_IDENTITY_HEADER_LEN, "the source has seen it");
            Err(Reason::BadSignature)
        });
        builder.establish(says, tenantkit_core::Asserts::Any)
    });
    let reason = |len: usize| {
        let value = "a".repeat(len);
        world.identify(&[Says::WORD], &[("x-word", &value)]).unwrap_err().reason()
    };
    assert_eq!(MAX_IDENTITY_HEADER_LEN, 8192);
    assert_eq!(reason(MAX_IDENTITY_HEADER_LEN), Reason::BadSignature);
    assert_eq!(reason(MAX_IDENTITY_HEADER_LEN + 1), Reason::OversizeHeader);
}

#[test]
fn an_empty_null_or_non_ascii_value_is_refused() {
    for value in [
        Some(&b""[..]),
        None,
        Some(b"acm\xc3\xa9"),
        Some(b"acme\0"),
        Some(b"ac\tme"),
        Some(b"\xff"),
        Some(b"acme\x7f"),
    ] {
        let carrier = Raw(vec![(b"x-word".to_vec(), value.map(<[u8]>::to_vec))]);
        assert_eq!(judge(&carrier), Err(Reason::MalformedHeader), "{value:?}");
    }
}

#[test]
fn an_identity_header_that_the_listener_does_not_admit_is_refused_not_stripped() {
    for header in ["txn-token", "authorization", "x-tenant-id"] {
        let carrier = Raw::new(&[("x-word", "acme"), (header, "acme")]);
        assert_eq!(judge(&carrier), Err(Reason::NotAdmitted), "{header}");
    }
    // One that is registered and not admitted here.
    let world = World::of(|builder| {
        builder
            .establish(Says::word(), tenantkit_core::Asserts::Any)
            .establish(Says::establishing("other", "x-other"), tenantkit_core::Asserts::Any)
    });
    let both = [("x-word", "acme"), ("x-other", "acme")];
    let refusal = world.identify(&[Says::WORD], &both).unwrap_err();
    assert_eq!(refusal.reason(), Reason::NotAdmitted);
    assert!(world.identify(&[Says::WORD, Source::Custom("other")], &both).is_ok());
}

#[test]
fn an_identity_header_that_no_source_takes_for_its_own_is_refused() {
    let world = World::of(|builder| {
        builder
            .establish(Says::word(), tenantkit_core::Asserts::Any)
            .establish(Says::new("other", "x-other", |_, _| Ok(None)), tenantkit_core::Asserts::Any)
    });
    let admitted = [Says::WORD, Source::Custom("other")];
    let refused = world.identify(&admitted, &[("x-word", "acme"), ("x-other", "?")]).unwrap_err();
    assert_eq!(refused.reason(), Reason::MalformedHeader);
    assert!(world.identify(&admitted, &[("x-word", "acme")]).is_ok());
}

#[test]
fn a_header_map_replaces_and_removes_and_hides_what_it_carries() {
    let mut headers = http::HeaderMap::new();
    headers.append("txn-token", "old".parse().unwrap());
    headers.append("txn-token", "older".parse().unwrap());
    headers.put("txn-token", "new").unwrap();
    assert_eq!(headers.get_all("txn-token").iter().collect::<Vec<_>>(), ["new"]);
    assert!(headers["txn-token"].is_sensitive());
    assert_eq!(headers.put("txn-token", "a\nb"), Err(CannotCarry::new()));
    assert_eq!(headers.put("txn token", "a"), Err(CannotCarry::new()));
    assert_eq!(headers["txn-token"], "new");
    headers.strip("txn-token");
    assert!(headers.is_empty());
}

fn any_entry() -> impl Strategy<Value = (Vec<u8>, Option<Vec<u8>>)> {
    let name = prop_oneof![
        Just(b"x-word".to_vec()),
        "(?i)(x[-_]word|txn[-_]token|connection|accept|x[-_]tenant[-_]id)"
            .prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let value = prop_oneof![
        3 => Just(Some(b"acme".to_vec())),
        1 => Just(None),
        1 => Just(Some(b"x-word".to_vec())),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(Some),
    ];
    (name, value)
}

proptest! {
    #[test]
    fn whatever_is_sent_only_one_well_formed_header_is_believed(
        entries in prop::collection::vec(any_entry(), 0..5)
    ) {
        let fold = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase().replace('_', "-");
        let known = ["x-word", "txn-token", "authorization", "x-tenant-id"];
        let identity: Vec<_> =
            entries.iter().filter(|(name, _)| known.contains(&fold(name).as_str())).collect();
        let good = identity.len() == 1
            && identity[0].0 == b"x-word"
            && identity[0].1.as_deref().is_some_and(|it| it == b"acme");
        if let Ok(tenant) = judge_quietly(&Raw(entries.clone())) {
            prop_assert!(good, "{:?} was believed as {}", entries, tenant);
        } else {
            let hop = entries.iter().any(|(name, value)| {
                fold(name) == "connection"
                    && value.as_deref().is_some_and(|it| {
                        it.split(|b| *b == b',').any(|it| known.contains(&fold(it.trim_ascii()).as_str()))
                    })
            });
            prop_assert!(!good || hop, "{:?} was refused", entries);
        }
    }
}

fn judge_quietly(carrier: &Raw) -> Result<String, Reason> {
    let world = World::new();
    let outcome = world.authority.listener().admit(Says::WORD).identify(Inbound::new(carrier));
    outcome.map(|context| context.tenant().to_string()).map_err(|refusal| refusal.reason())
}
