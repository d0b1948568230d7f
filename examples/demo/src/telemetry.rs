//! What acmedocs tells of itself, shown in the terminal; or where to look, with a collector.

use std::env;

use hyper::Method;
use serde_json::Value;

use crate::{Failed, Teller, World};

/// How many lines of each part are shown.
const LINES: usize = 5;

/// The collector that was given, as every program of OpenTelemetry is given one.
#[must_use]
pub fn collector() -> Option<String> {
    env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok().filter(|url| !url.is_empty())
}

/// The lines of the configuration.
#[must_use]
pub fn lines() -> String {
    let collector = collector().map(|url| format!("collector = {}\n", Value::from(url)));
    format!("{}pinned = [\"acme\"]", collector.unwrap_or_default())
}

/// Shows the tiers, who is heavy and who was refused last.
///
/// # Errors
///
/// When the page does not answer.
pub async fn tell(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    teller.chapter("What it tells of itself");
    if let Some(url) = collector() {
        println!(
            "  traces, logs and metrics go to the collector at {url}: look for the service acmedocs,\n  and load tenantkit-otel/slo/dashboard.json and rules.yaml.\n"
        );
    }
    let tiers = read(world, "/tiers.json").await?;
    for it in list(&tiers) {
        println!(
            "  {:<10} {:>7} served {:>7} refused {:>5} failed {:>5} hung up   99% within {} s",
            text(&it["tier"]),
            it["served"],
            it["refused"],
            it["failed"],
            it["dropped"],
            it["p99_s"]
        );
    }
    let top = read(world, "/top.json?window=current&by=time&first=5").await?;
    println!("\n  who takes the most time, in microseconds:");
    for it in list(&top["rankings"][0]["tenants"]) {
        println!("  {:<10} {:>12}", text(&it["tenant"]), it["amount"]);
    }
    let refusals = read(world, "/refusals.json").await?;
    println!("\n  who was refused last:");
    for it in list(&refusals).iter().take(LINES) {
        let tenant = it["tenant"].as_str().unwrap_or("nobody");
        println!("  {tenant:<10} {} at {}", text(&it["reason"]), text(&it["door"]));
    }
    println!();
    let is_told = |it: &Value| it["served"].as_u64().is_some_and(|served| served > 0);
    teller.line(
        "each tier, who is heavy, who was refused",
        "on a page, without a metrics store",
        list(&tiers).iter().any(is_told) && !list(&refusals).is_empty(),
    );
    Ok(())
}

async fn read(world: &World, path: &str) -> Result<Value, Failed> {
    let page = world.page().ok_or("there is no page")?;
    let answer = page.call(Method::GET, path, &[], None).await?;
    Ok(serde_json::from_str(&answer.body)?)
}

fn list(of: &Value) -> &[Value] {
    of.as_array().map_or(&[], Vec::as_slice)
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap_or_default()
}
