use tenantkit_core::{TenantId, TierSet};

use super::{Allowance, InvalidPolicy, LimitPolicy, LimitPolicyBuilder};
use crate::quota::Quota;

const TIERS: TierSet = TierSet::new(&["bronze", "gold"]);
const SLOW: Quota = Quota::per_second(10).burst(20).and_per_minute(200).declare();
const FREE: Allowance = Allowance::unlimited();

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn exports() -> LimitPolicyBuilder {
    LimitPolicy::builder(TIERS).tier("exports", "bronze", FREE).tier("exports", "gold", FREE)
}

#[test]
fn a_tenant_has_the_allowance_of_its_tier_unless_it_has_its_own() {
    let policy = LimitPolicy::builder(TIERS)
        .tier("exports", "bronze", FREE.rate(SLOW).in_flight(2))
        .tier("exports", "gold", FREE.in_flight(8))
        .tenant("exports", tenant("acme"), FREE.in_flight(3))
        .build()
        .unwrap();
    let [bronze, gold] = ["bronze", "gold"].map(|tier| TIERS.get(tier).unwrap());
    let of = |name, tier| policy.allowance("exports", &tenant(name), tier);
    assert_eq!(of("globex", bronze), Some(FREE.rate(SLOW).in_flight(2)));
    assert_eq!(of("globex", gold), Some(FREE.in_flight(8)));
    assert_eq!(of("acme", bronze), Some(FREE.in_flight(3)));
    assert_eq!(policy.allowance("imports", &tenant("acme"), bronze), None);
    let foreign = TierSet::new(&["gold"]).get("gold").unwrap();
    assert_eq!(of("globex", foreign), None, "a tier of another set has no allowance here");
}

#[test]
fn a_policy_that_leaves_something_open_or_says_it_twice_is_refused() {
    let gold = TIERS.get("gold").unwrap();
    let resource = || "exports".to_owned();
    let refused = [
        (LimitPolicy::builder(TIERS), InvalidPolicy::NoResource),
        (exports().tier("Exports", "gold", FREE), InvalidPolicy::ResourceName),
        (exports().tier("", "gold", FREE), InvalidPolicy::ResourceName),
        (
            exports().tier("exports", "free", FREE),
            InvalidPolicy::UnknownTier { resource: resource(), tier: "free".to_owned() },
        ),
        (
            LimitPolicy::builder(TIERS).tier("exports", "bronze", FREE),
            InvalidPolicy::TierMissing { resource: resource(), tier: gold },
        ),
        (
            exports().tier("exports", "gold", FREE),
            InvalidPolicy::TierTwice { resource: resource(), tier: gold },
        ),
        (
            exports().tenant("exports", tenant("acme"), FREE).tenant(
                "exports",
                tenant("acme"),
                FREE,
            ),
            InvalidPolicy::TenantTwice { resource: resource() },
        ),
        (
            exports().tenant("exports", tenant("acme"), FREE.in_flight(0)),
            InvalidPolicy::NoneInFlight { resource: resource() },
        ),
    ];
    for (builder, why) in refused {
        assert_eq!(builder.build(), Err(why));
    }
    let many = (0..=LimitPolicy::MAX_RESOURCES).fold(LimitPolicy::builder(TIERS), |policy, at| {
        let name = format!("r{at}");
        policy.tier(&name, "bronze", FREE).tier(&name, "gold", FREE)
    });
    assert_eq!(many.build(), Err(InvalidPolicy::TooManyResources));
}

#[cfg(all(feature = "toml", feature = "json"))]
mod document {
    use super::*;

    const TOML: &str = r#"
[resources.exports.tiers]
bronze = { rate = { per_minute = 200, per_second = { count = 10, burst = 20 } }, in_flight = 2 }
gold = { rate = "unlimited", in_flight = 8 }

[resources.exports.tenants]
acme = { rate = "unlimited", in_flight = "unlimited" }
"#;

    const JSON: &str = r#"{ "resources": { "exports": {
        "tiers": {
            "bronze": {"rate": {"per_minute": 200, "per_second": {"count": 10, "burst": 20}}, "in_flight": 2},
            "gold": { "rate": "unlimited", "in_flight": 8 }
        },
        "tenants": { "acme": { "rate": "unlimited", "in_flight": "unlimited" } }
    } } }"#;

    #[test]
    fn a_document_says_the_same_in_toml_and_in_json_and_in_code() {
        let code = LimitPolicy::builder(TIERS)
            .tier("exports", "bronze", FREE.rate(SLOW).in_flight(2))
            .tier("exports", "gold", FREE.in_flight(8))
            .tenant("exports", tenant("acme"), FREE)
            .build()
            .unwrap();
        assert_eq!(LimitPolicy::from_toml(TIERS, TOML).unwrap(), code);
        assert_eq!(LimitPolicy::from_json(TIERS, JSON).unwrap(), code);
    }

    /// The document with one line changed, and what is said of it.
    fn mistake(line: &str, instead: &str) -> String {
        assert!(TOML.contains(line), "{line}");
        LimitPolicy::from_toml(TIERS, &TOML.replace(line, instead)).unwrap_err().to_string()
    }

    #[test]
    fn a_mistake_in_a_document_is_told_with_its_line_and_its_reason() {
        let gold = r#"gold = { rate = "unlimited", in_flight = 8 }"#;
        let said = [
            (
                gold,
                r#"gold = { rate = "unlimited", in_flight = 0 }"#,
                "limits: line 4: 0 stands where a number",
            ),
            (
                gold,
                r#"gold = { rate = "unlimited", in_flight = -8 }"#,
                "limits: line 4: -8 stands where a number",
            ),
            (
                gold,
                r#"gold = { rate = 8, in_flight = 8 }"#,
                "limits: line 4: 8 stands where a table",
            ),
            (
                gold,
                r#"gold = { rate = "none", in_flight = 8 }"#,
                "limits: line 4: another word stands where a table",
            ),
            (gold, r#"gold = { in_flight = 8 }"#, "limits: line 4: rate is missing"),
            (gold, r#"gold = { rate = "unlimited" }"#, "limits: line 4: in_flight is missing"),
            (
                gold,
                r#"gold = { rate = {}, in_flight = 8 }"#,
                "limits: line 4: a quota has at least one window",
            ),
            (
                gold,
                r#"gold = { rate = { per_second = 0 }, in_flight = 8 }"#,
                "limits: line 4: window 0: the count is zero",
            ),
            (
                gold,
                r#"gold = { rate = { per_second = { burst = 1 } }, in_flight = 8 }"#,
                "limits: line 4: count is missing",
            ),
            (
                gold,
                r#"gold = { rate = { per_second = 10, per_minute = 600 }, in_flight = 8 }"#,
                "limits: line 4: window 1 never binds",
            ),
            (
                gold,
                r#"gold = { rate = { per_week = 10 }, in_flight = 8 }"#,
                "limits: line 4: \"per_week\" is not known here",
            ),
            (
                gold,
                r#"silver = { rate = "unlimited", in_flight = 8 }"#,
                "limits: line 4: resource exports: there is no tier \"silver\"",
            ),
            (gold, "", "resource exports: nothing is said of tier gold"),
            (gold, "gold = ", "limits: line 4:"),
            (
                "[resources.exports.tenants]",
                "[resources.exports.users]",
                "limits: line 6: \"users\" is not known here",
            ),
            ("acme", "Acme", "limits: line 7: "),
        ];
        for (line, instead, why) in said {
            let told = mistake(line, instead);
            assert!(told.contains(why), "{instead}: {told}");
        }
    }

    #[test]
    fn a_mistake_in_json_is_told_with_its_line_and_a_key_that_stands_twice_is_one() {
        let told = |text: &str| LimitPolicy::from_json(TIERS, text).unwrap_err().to_string();
        let zero = JSON.replace(r#""in_flight": 8"#, r#""in_flight": 0"#);
        assert!(told(&zero).starts_with("limits: line 4: 0 stands where"), "{}", told(&zero));
        let twice = JSON.replace(r#""in_flight": 8"#, r#""in_flight": 8, "in_flight": 9"#);
        assert_eq!(told(&twice), "limits: line 4: a key stands twice");
        assert!(told(&format!("{JSON} {{}}")).contains("trailing"));
        assert!(told("[").starts_with("limits: line 1:"));
    }

    #[test]
    fn what_is_said_of_a_document_names_no_tenant() {
        let told = mistake(
            "acme = { rate = \"unlimited\", in_flight = \"unlimited\" }",
            "acme = { rate = 1 }",
        );
        assert!(!told.contains("acme"), "{told}");
        let told = mistake("acme", "\"Acme Corp\"");
        assert!(!told.contains("Acme"), "{told}");
    }
}
