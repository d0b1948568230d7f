//! What is run in which order, and what it has to show.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use demo::{
    Acmedocs, Failed, Setup, World,
    rivals::{Exports, LIMITS},
};
use load::{Round, Rounds, Run, Verdict, cpu};
use throwaway::tools;

use crate::{report, runs::Runs};

/// How often a run is repeated that says nothing, before we say so.
const ATTEMPTS: usize = 5;

/// Two tenants, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// Calls a second.
    pub(crate) heavy: u32,
    pub(crate) light: u32,
    /// How long the light tenant is measured in each run.
    pub(crate) time: Duration,
    /// Whether all rounds are run, also when two of them have decided already.
    pub(crate) is_thorough: bool,
}

impl Stage {
    pub(crate) const ONE: Self = Self {
        name: "one",
        heavy: 1_000,
        light: 10,
        time: Duration::from_secs(60),
        is_thorough: true,
    };
    /// 62 s, so that there are 6,000 calls also where one or another ended in the warm-up.
    pub(crate) const TWO: Self = Self {
        name: "two",
        heavy: 10_000,
        light: 100,
        time: Duration::from_secs(62),
        is_thorough: true,
    };
    /// Stage one, for before a commit.
    pub(crate) const QUICK: Self = Self {
        name: "one, quickly",
        time: Duration::from_secs(10),
        is_thorough: false,
        ..Self::ONE
    };
}

/// What came of a stage.
pub(crate) struct Outcome {
    pub(crate) stage: Stage,
    pub(crate) exports: Exports,
    pub(crate) control: Run,
    pub(crate) rounds: Rounds,
}

/// Runs them all, on one world. Whether all have held.
pub(crate) async fn all(stages: Vec<Stage>) -> Result<bool, Failed> {
    let k6 = tools::k6()?;
    println!("Starting Postgres, or using the one that DATABASE_URL names, and acmedocs ...");
    // To a file: an overload without limits has a lot to say.
    let setup = Setup::default().log("error");
    let mut world = World::of(setup, Acmedocs::Process).await?;
    let mut has_held = true;
    for stage in stages {
        let outcome = stage.run(&mut world, &k6).await?;
        let page =
            demo::show::folder()?.join(format!("stage-{}.html", stage.name.replace(", ", "-")));
        std::fs::write(&page, report::page(&outcome).html())?;
        has_held &= report::tell(&outcome, &page);
    }
    Ok(has_held)
}

impl Stage {
    async fn run(self, world: &mut World, k6: &Path) -> Result<Outcome, Failed> {
        let Self { name, heavy, light, .. } = self;
        println!("\nStage {name}: heavy {heavy} calls a second, light {light}");
        world.restart(None).await?;
        let exports = Exports::sized(world, heavy).await?;
        println!(
            "  an export takes {:.2} ms of a core: the heavy tenant asks for {:.1} cores, and there are {}",
            exports.cost.as_secs_f64() * 1000.0,
            exports.cores(heavy),
            cpu::cores(),
        );
        let runs = Runs { stage: self, exports, k6: PathBuf::from(k6) };

        let control = valid("limits off", true, async || runs.loaded(world).await).await?;
        world.restart(Some(LIMITS)).await?;
        let mut rounds = Rounds::default();
        while !rounds.is_complete() && (self.is_thorough || rounds.verdict() == Verdict::Open) {
            let solo = valid("light alone", false, async || runs.solo(world).await).await?;
            let loaded = valid("limits on", false, async || runs.loaded(world).await).await?;
            rounds.push(Round { solo, loaded });
        }
        Ok(Outcome { stage: self, exports, control, rounds })
    }
}

/// Runs it until it says something.
async fn valid(
    name: &str,
    may_lose: bool,
    run: impl AsyncFn() -> Result<Run, Failed>,
) -> Result<Run, Failed> {
    for _ in 0..ATTEMPTS {
        let seen = run().await?;
        report::line(name, &seen);
        let Some(why) = seen.invalid(may_lose) else { return Ok(seen) };
        println!("    says nothing: {why}. Once more.");
    }
    Err(NothingSaid.into())
}

/// No run was as it must be: nothing is proved, and nothing is broken.
#[derive(Debug)]
pub(crate) struct NothingSaid;

impl fmt::Display for NothingSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no run of {ATTEMPTS} said anything: this machine is too busy or too small, or does not let \
             the clients go first (as root it does)"
        )
    }
}

impl std::error::Error for NothingSaid {}
