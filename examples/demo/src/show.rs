//! One tenant's load, and what another one feels of it: first without limits, then with them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use load::{Board, Live, Page, Percentiles, Second, cpu, page::Phase};

use crate::{
    Failed, Teller, World,
    rivals::{Exports, HEAVY, LIGHT, LIMITS},
};

const HEAVY_RATE: u32 = 1_000;
const LIGHT_RATE: u32 = 20;
/// How long each phase takes, in seconds.
const SECONDS: u64 = 10;
/// What is not shown of it: connections are opened, caches filled.
const WARM_UP: Duration = Duration::from_secs(2);
/// What the light tenant waits at most where limits hold, in milliseconds.
const PROMISED: f64 = 250.0;

/// Lets both tenants load acmedocs, which has limits from then on. Gives the page with the plots.
///
/// # Errors
///
/// When acmedocs does not start again, or the page cannot be written.
pub async fn show(world: &mut World, teller: &mut Teller) -> Result<PathBuf, Failed> {
    teller.chapter("One tenant's load stays its own");
    world.restart(None).await?;
    let exports = Exports::sized(world, HEAVY_RATE).await?;
    let cost = exports.cost.as_secs_f64() * 1000.0;
    let (cores, needed) = (cpu::cores(), exports.cores(HEAVY_RATE));
    println!(
        "  {HEAVY} asks for {HEAVY_RATE} exports a second, which take {cost:.1} ms of a core each: \
         {needed:.1} cores, and there are {cores}.\n  {LIGHT} asks for {LIGHT_RATE}.\n"
    );

    let alone = phase(world, exports, "light alone", false).await?;
    let off = phase(world, exports, "limits off ", true).await?;
    world.restart(Some(LIMITS)).await?;
    let on = phase(world, exports, "limits on  ", true).await?;

    teller.line(&format!("without limits, {LIGHT} waits"), Felt(&off), true);
    let felt: Percentiles = on.light.iter().map(|call| call.ms).collect();
    let refused = Second::sum(&on.heavy).refused > 0;
    let as_promised = felt.at(95.0) < PROMISED && refused;
    teller.line(
        &format!("with limits, {HEAVY} is refused and {LIGHT} waits"),
        Felt(&on),
        as_promised,
    );

    let fact = |name: &str, value: String| (name.to_owned(), value);
    let page = Page {
        title: "Two tenants, one service".to_owned(),
        facts: vec![
            fact(
                "heavy",
                format!(
                    "{HEAVY}, {HEAVY_RATE} exports a second, and up to a fifth of it again as retries"
                ),
            ),
            fact("light", format!("{LIGHT}, {LIGHT_RATE} exports a second")),
            fact("an export", format!("{cost:.1} ms of a core, of which there are {cores}")),
        ],
        phases: vec![alone, off, on],
    };
    let file = folder()?.join("demo.html");
    fs::write(&file, page.html())?;
    Ok(file)
}

async fn phase(
    world: &World,
    exports: Exports,
    name: &str,
    is_loaded: bool,
) -> Result<Phase, Failed> {
    let (light, heavy) = (Arc::new(Board::default()), Arc::new(Board::default()));
    let time = Duration::from_secs(SECONDS);
    let mut loading = vec![exports.start(world, LIGHT, LIGHT_RATE, time, &light)?];
    if is_loaded {
        loading.push(exports.start(world, HEAVY, HEAVY_RATE, time, &heavy)?);
    }
    let mut live = Live::new(name);
    for _ in 0..SECONDS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        live.draw(&light, &heavy);
    }
    for load in loading {
        load.stop()?;
    }
    let mut calls = light.points(WARM_UP, time);
    for call in &mut calls {
        call.at -= WARM_UP.as_secs_f64();
    }
    let heavy = heavy.seconds(WARM_UP, time);
    Ok(Phase { name: name.trim_end().to_owned(), light: calls, heavy })
}

/// Where pages are written: beside what was built, so that they stay when we end.
///
/// # Errors
///
/// When it cannot be made.
pub fn folder() -> Result<PathBuf, Failed> {
    let here = env::current_exe()?;
    let target = here.ancestors().nth(2).unwrap_or(Path::new("target"));
    let folder = target.join("isolation");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

struct Felt<'a>(&'a Phase);

impl std::fmt::Display for Felt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Phase { light, heavy, .. } = self.0;
        let calls: Percentiles = light.iter().map(|call| call.ms).collect();
        let Second { admitted, refused, failed, .. } = Second::sum(heavy);
        let (p50, p95, p99) = (calls.at(50.0), calls.at(95.0), calls.at(99.0));
        write!(
            f,
            "p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms; {HEAVY}: {admitted} admitted, {refused} refused, {failed} failed"
        )
    }
}
