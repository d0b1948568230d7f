//! Prometheus loads the rules, and pages whom it should; and it understands what the dashboard asks.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
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
