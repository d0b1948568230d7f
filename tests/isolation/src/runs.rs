//! One run: k6 for the light tenant, the generator for the heavy one.

use std::{path::PathBuf, sync::Arc, time::Duration};

use demo::{
    Failed, World,
    rivals::{Exports, HEAVY, LIGHT},
};
use load::{Board, Run, Second, cpu, k6::Light};

use crate::stage::Stage;

/// Until a run counts: connections are opened, caches filled.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the heavy tenant is alone before k6 starts, which itself takes a core for a second.
const AHEAD: Duration = Duration::from_secs(1);
/// What the heavy tenant's tokens have to last for beyond the light one's: k6 starts and ends.
const AROUND: Duration = Duration::from_secs(60);
/// How long one of the light tenant's calls may take, in seconds: k6 needs a client for each that is
/// under way.
const PATIENCE: u32 = 6;

pub(crate) struct Runs {
    pub(crate) stage: Stage,
    pub(crate) exports: Exports,
    pub(crate) k6: PathBuf,
}

impl Runs {
    /// The light tenant alone.
    pub(crate) async fn solo(&self, world: &World) -> Result<Run, Failed> {
        Ok(Run { light: self.measure(world).await?, heavy: Vec::new() })
    }

    /// Both.
    pub(crate) async fn loaded(&self, world: &World) -> Result<Run, Failed> {
        let process = world.process_id().ok_or("acmedocs is no process of its own")?;
        let board = Arc::new(Board::default());
        let time = self.stage.time + WARM_UP + AHEAD + AROUND;
        let heavy = self.exports.start(world, HEAVY, self.stage.heavy, time, &board)?;
        let epoch = std::time::SystemTime::now() - board.start().elapsed();
        tokio::time::sleep(AHEAD).await;
        let (before, taken) = (board.total(), cpu::taken(&[process])?);
        let light = self.measure(world).await?;
        let (after, taken) = (board.total(), cpu::taken(&[process])? - taken);
        heavy.stop()?;
        self.refusals(before, after, taken);
        // The seconds that count for both.
        let epoch = epoch.duration_since(std::time::UNIX_EPOCH)?;
        let from = light.from.saturating_sub(epoch);
        let heavy = board.seconds(from, from + light.time());
        Ok(Run { light, heavy })
    }

    /// What the refusals have cost, where they are most of what was answered.
    fn refusals(&self, before: Second, after: Second, taken: Duration) {
        let refused = after.refused - before.refused;
        let admitted =
            after.admitted - before.admitted + self.stage.light * self.stage.time.as_secs() as u32;
        if refused > admitted {
            let each = taken.saturating_sub(self.exports.cost * admitted) / refused;
            println!(
                "    acmedocs: {:.0} µs of a core for each of {refused} refusals",
                each.as_secs_f64() * 1e6
            );
        }
    }

    async fn measure(&self, world: &World) -> Result<load::k6::Felt, Failed> {
        let Stage { light: rate, time, .. } = self.stage;
        let light = Light {
            target: self.exports.of(world, LIGHT, time + AROUND),
            rate,
            warm_up: WARM_UP,
            time,
            clients: rate * PATIENCE,
        };
        let k6 = self.k6.clone();
        Ok(tokio::task::spawn_blocking(move || light.run(&k6)).await??)
    }
}
