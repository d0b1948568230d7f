//! Each feature of each crate alone, with warnings denied: none may need another that it does not name.

use std::process::Command;

use serde_json::Value;

use crate::{Failure, step::Step};

/// One step a crate and feature, and one for the crate without any.
///
/// # Errors
///
/// When Cargo cannot describe the workspace.
pub(crate) fn steps() -> Result<Vec<Step>, Failure> {
    let metadata =
        Command::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    Ok(packages.iter().flat_map(of_package).collect())
}

fn of_package(package: &Value) -> Vec<Step> {
    let name = package["name"].as_str().unwrap_or_default();
    let features = package["features"].as_object().into_iter().flatten();
    let features: Vec<&str> = features
        .map(|(feature, _)| feature.as_str())
        .filter(|feature| *feature != "default")
        .collect();
    if features.is_empty() {
        return Vec::new();
    }
    let step = |what: &str, flags: &str| {
        let flags = format!("--no-default-features{flags} -- -D warnings");
        Step::new(format!("{name} {what}"), &format!("cargo clippy --quiet -p {name} {flags}"))
    };
    let alone = features
        .into_iter()
        .map(|feature| step(&format!("with {feature} alone"), &format!(" --features {feature}")));
    [step("without features", "")].into_iter().chain(alone).collect()
}
