//! What is said of a stage, and drawn.

use std::path::Path;

use load::{Asserted, Page, Round, Run, Second, Verdict, cpu, page::Phase};

use crate::stage::{Outcome, Stage};

/// One run, as a line.
pub(crate) fn line(name: &str, Run { light, heavy }: &Run) {
    let calls = light.percentiles();
    let (p50, p95, p99, count) = (calls.at(50.0), calls.at(95.0), calls.at(99.0), calls.len());
    let errors = light.error_share() * 100.0;
    print!(
        "  {name:11} light p50 {p50:6.1} p95 {p95:6.1} p99 {p99:6.1} ms, {count} calls, {errors:.1}% errors"
    );
    if !heavy.is_empty() {
        let rate = |count: u32| f64::from(count) / heavy.len() as f64;
        let Second { started, late, unsent, admitted, refused, failed, .. } = Second::sum(heavy);
        print!(
            " | heavy {:.0}/s admitted {:.0}/s refused {:.0}/s failed, {:.2}% late, {:.2}% not sent",
            rate(admitted),
            rate(refused),
            rate(failed),
            share(late, started),
            share(unsent, started),
        );
    }
    println!();
}

/// What came of a stage. Whether it has held.
pub(crate) fn tell(outcome: &Outcome, page: &Path) -> bool {
    let Outcome { stage, exports, control, rounds } = outcome;
    println!("\nStage {}:", stage.name);
    for (at, round) in rounds.all().iter().enumerate() {
        let broken = round.loaded.broken(&round.solo);
        let goal = if round.reaches_goal() { "reached" } else { "not reached" };
        let percentile = Asserted::of(round.loaded.light.calls.len());
        println!(
            "  round {}: {percentile} {:.2} times that of the light tenant alone (goal of 1.1 {goal}): {}",
            at + 1,
            round.ratio(),
            if broken.is_empty() { "holds".to_owned() } else { listed(&broken) },
        );
    }
    let holds = rounds.verdict() == Verdict::Holds;
    println!("  {} limits on: {} of 3 rounds decide", mark(holds), 2);

    // Where the machine can serve everything that is asked of it, nothing has to fail.
    let exceeds = exports.cores(stage.heavy) > cpu::cores() as f64;
    let without = rounds.all().first().map(|round| control.broken(&round.solo)).unwrap_or_default();
    let controlled = !exceeds || !without.is_empty();
    let said = if without.is_empty() { "holds".to_owned() } else { listed(&without) };
    let required = if exceeds { "must fail" } else { "need not fail on this machine" };
    println!("  {} limits off, which {required}: {said}", mark(controlled));
    println!("  the plots: {}", page.display());
    holds && controlled
}

/// The plots of a stage.
pub(crate) fn page(outcome: &Outcome) -> Page {
    let Outcome { stage, exports, control, rounds } = outcome;
    let Stage { heavy, light, .. } = stage;
    let cost = exports.cost.as_secs_f64() * 1000.0;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let phase = |name: &str, run: &Run| Phase {
        name: name.to_owned(),
        light: run.light.calls.clone(),
        heavy: run.heavy.clone(),
    };
    let mut phases = Vec::new();
    if let Some(Round { solo, loaded }) = rounds.all().last() {
        phases.push(phase("light alone", solo));
        phases.push(phase("limits off", control));
        phases.push(phase("limits on", loaded));
    }
    Page {
        title: format!("Isolation, stage {}", stage.name),
        facts: vec![
            fact(
                "heavy",
                format!("{heavy} exports a second, and up to a fifth of it again as retries"),
            ),
            fact("light", format!("{light} exports a second, measured by k6")),
            fact(
                "an export",
                format!("{cost:.2} ms of a core, of which there are {}", cpu::cores()),
            ),
        ],
        phases,
    }
}

fn listed(broken: &[load::Broken]) -> String {
    broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

const fn mark(is_as_promised: bool) -> &'static str {
    if is_as_promised { "ok" } else { "NOT AS PROMISED" }
}

fn share(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1)) * 100.0
}
