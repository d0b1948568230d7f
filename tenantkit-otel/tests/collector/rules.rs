//! Prometheus loads the rules, and pages whom it should; and it understands what the dashboard asks.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tenantkit_core::TierSet;
use throwaway::{Folder, tools};

fn slo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("slo")
}

#[track_caller]
fn promtool(promtool: &Path, arguments: &[&str], folder: &Path) {
    let said = Command::new(promtool).args(arguments).current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.status.success(), "{arguments:?}: {text}");
}

#[test]
fn prometheus_loads_the_rules_and_pages_for_the_tiers_that_suffer() {
    let Some(tool) = tools::or_skip(tools::promtool()) else { return };
    promtool(&tool, &["check", "rules", "rules.yaml"], &slo());
    promtool(&tool, &["test", "rules", "rules_test.yaml"], &slo());
}

#[test]
fn prometheus_understands_what_the_dashboard_asks() {
    let Some(tool) = tools::or_skip(tools::promtool()) else { return };
    let dashboard = fs::read_to_string(slo().join("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    for (number, target) in targets.enumerate() {
        // A text in JSON is one in YAML.
        let expr = &target["expr"];
        writeln!(rules, "      - record: panel:{number}\n        expr: {expr}").unwrap();
    }
    assert!(rules.lines().count() > 12, "{rules}");
    let folder = Folder::new().unwrap();
    fs::write(folder.path().join("dashboard.yaml"), rules).unwrap();
    promtool(&tool, &["check", "rules", "dashboard.yaml"], folder.path());

    // What Grafana wants of a dashboard: each panel has its place, its source and its own number.
    let ids: std::collections::BTreeSet<_> =
        panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        assert!(panel["gridPos"]["w"].as_u64().unwrap() <= 24, "{panel}");
    }
}

/// A page is as Prometheus wants it, names, types and units.
#[track_caller]
pub(crate) fn prometheus_understands(page: &str) {
    let Some(tool) = tools::or_skip(tools::promtool()) else { return };
    let mut command = Command::new(tool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut checking = command.stderr(Stdio::piped()).spawn().unwrap();
    checking.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = checking.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.status.success(), "{text}");
}

/// By the series of a real page, of whose requests a third failed and most were slow in every tier, each tier is paged
/// for, and for nothing else.
#[track_caller]
pub(crate) fn prometheus_pages_by(page: &str, tiers: TierSet) {
    let Some(tool) = tools::or_skip(tools::promtool()) else { return };
    let is_gauge = |name: &str| page.contains(&format!("# TYPE {name} gauge\n"));
    let mut test = format!(
        "rule_files: [{}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n",
        slo().join("rules.yaml").display()
    );
    for line in page.lines().filter(|line| line.starts_with("tenantkit_")) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        // What was counted once is counted each minute.
        let values = if is_gauge(name) { format!("{value}x130") } else { format!("0+{value}x130") };
        writeln!(test, "      - series: '{series}'\n        values: '{values}'").unwrap();
    }
    test.push_str("    alert_rule_test:\n");
    let paged = |severity: &str, says: &dyn Fn(&str) -> String| {
        let of = |tier: &str| {
            format!(
                "          - exp_labels: {{severity: {severity}, tenant_tier: {tier}}}\n            exp_annotations: {{summary: \"{}\"}}\n",
                says(tier)
            )
        };
        tiers.iter().map(|tier| of(tier.as_str())).collect::<String>()
    };
    let alerts = [
        (
            "TierFailsFast",
            paged("page", &|tier| {
                format!("{tier}: a month's budget for failures lasts two days at this rate")
            }),
        ),
        (
            "TierIsSlow",
            paged("page", &|tier| {
                format!("{tier}: more than 14 in 100 requests take longer than 250 ms")
            }),
        ),
        ("TierStarves", String::new()),
        ("TelemetryIsLost", String::new()),
        ("LabelsFallBack", String::new()),
    ];
    for (alert, expected) in alerts {
        let expected = if expected.is_empty() { " []\n".into() } else { format!("\n{expected}") };
        write!(
            test,
            "      - eval_time: 2h\n        alertname: {alert}\n        exp_alerts:{expected}"
        )
        .unwrap();
    }
    let folder = Folder::new().unwrap();
    fs::write(folder.path().join("page_test.yaml"), test).unwrap();
    promtool(&tool, &["test", "rules", "page_test.yaml"], folder.path());
}
