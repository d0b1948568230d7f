//! The light tenant, measured by [k6](https://k6.io), which is not ours.
//!
//! Each call is kept and none is put into a bucket: k6 writes its samples as they come, and the
//! percentiles are taken here.

use std::{fs, io, path::Path, process::Stdio, time::Duration};

use throwaway::{Folder, leash};

use crate::{Percentiles, Point, Target, priority};

/// The tenant, and for how long it calls.
#[derive(Debug, Clone)]
pub struct Light {
    /// What it calls.
    pub target: Target,
    /// Calls a second.
    pub rate: u32,
    /// Until it counts: connections are opened, caches filled.
    pub warm_up: Duration,
    /// For as long as it counts.
    pub time: Duration,
    /// How many calls may be under way: k6 drops what is beyond.
    pub clients: u32,
}

/// What the tenant has felt.
#[derive(Debug, Clone, Default)]
pub struct Felt {
    /// Each call, with its retries: when it ended, in seconds from the first that counts, and how long
    /// it took.
    pub calls: Vec<Point>,
    /// Tries, while it counted.
    pub attempts: usize,
    /// Those of them that were not served.
    pub errors: usize,
    /// Calls that k6 did not begin: then the run is none.
    pub dropped: usize,
    /// The first moment that counts, since 1970.
    pub from: Duration,
}

/// Why there is nothing from k6.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It could not be run, or what it wrote could not be read.
    #[error("cannot run k6: {0}")]
    Io(#[from] io::Error),
    /// Its files have no place.
    #[error(transparent)]
    Folder(#[from] throwaway::Error),
    /// It failed.
    #[error("k6 failed: {0}")]
    Failed(String),
    /// It wrote something else than samples.
    #[error("k6 wrote a line that is no sample")]
    NotASample,
}

impl Light {
    /// Lets the tenant call, with this k6, to the end.
    ///
    /// # Errors
    ///
    /// When k6 cannot be run or fails. That calls fail is no error.
    pub fn run(&self, k6: &Path) -> Result<Felt, Error> {
        let folder = Folder::new()?;
        let in_folder = |name: &str| folder.path().join(name);
        fs::write(in_folder("light.js"), include_str!("k6/light.js"))?;
        fs::write(in_folder("tokens.json"), self.target.tokens.document().to_string())?;

        let seconds = (self.warm_up + self.time).as_secs();
        let mut command = priority::ahead(k6);
        command
            .args([
                "run",
                "--quiet",
                "--no-color",
                "--no-summary",
                "--no-usage-report",
                "--address",
                "",
            ])
            .arg("--out")
            .arg(format!("csv={}", in_folder("samples.csv").display()))
            .arg(in_folder("light.js"))
            .env("HOME", folder.path())
            // Its memory is ours to spend, its processor time is the service's.
            .env("GOGC", "1000")
            .env("K6_CSV_TIME_FORMAT", "unix_milli")
            .env("LIGHT_TOKENS", in_folder("tokens.json"))
            .env("LIGHT_RATE", self.rate.to_string())
            .env("LIGHT_SECONDS", seconds.to_string())
            .env("LIGHT_CLIENTS", self.clients.to_string())
            .env("LIGHT_URL", format!("http://{}{}", self.target.address, self.target.path))
            .env("LIGHT_BODY", &self.target.body);
        let mut child = leash(&command).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let leash = child.stdin.take();
        let ended = child.wait_with_output()?;
        drop(leash);
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        if !ended.status.success() {
            return Err(Error::Failed(said));
        }
        let samples = fs::read_to_string(in_folder("samples.csv"))?;
        Felt::read(&samples, self.warm_up).ok_or(Error::NotASample)
    }
}

impl Felt {
    /// Of the calls.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        self.calls.iter().map(|call| call.ms).collect()
    }

    /// Until the last call ended.
    #[must_use]
    pub fn time(&self) -> Duration {
        let last = self.calls.iter().map(|call| call.at).fold(0.0, f64::max);
        Duration::from_secs_f64(last)
    }

    /// From lines of `metric_name,timestamp,metric_value,...`, the time in milliseconds since 1970.
    /// What ended in the warm-up does not count, but for what was dropped.
    fn read(samples: &str, warm_up: Duration) -> Option<Self> {
        let mut lines = samples.lines();
        lines.next().filter(|head| head.starts_with("metric_name,timestamp,metric_value"))?;
        let mut parsed = Vec::new();
        for line in lines {
            let mut fields = line.split(',');
            let (metric, at, value) = (fields.next()?, fields.next()?, fields.next()?);
            if matches!(
                metric,
                "light_call" | "light_attempt" | "light_error" | "dropped_iterations"
            ) {
                parsed.push((metric, at.parse::<u64>().ok()?, value.parse::<f64>().ok()?));
            }
        }
        let first =
            parsed.iter().filter(|sample| sample.0 == "light_attempt").map(|sample| sample.1).min();
        let from = Duration::from_millis(first.unwrap_or(0)) + warm_up;
        let mut felt = Self { from, ..Self::default() };
        for (metric, at, value) in parsed {
            let at = Duration::from_millis(at).checked_sub(from);
            match (metric, at) {
                ("dropped_iterations", _) => felt.dropped += value as usize,
                ("light_attempt", Some(_)) => felt.attempts += value as usize,
                ("light_error", Some(_)) => felt.errors += value as usize,
                ("light_call", Some(at)) => {
                    felt.calls.push(Point { at: at.as_secs_f64(), ms: value });
                }
                _ => {}
            }
        }
        Some(felt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: &str = "metric_name,timestamp,metric_value,check,error\n\
        http_reqs,1000,1.000000,,\n\
        light_attempt,1000,1.000000,,\nlight_call,1000,50.000000,,\n\
        dropped_iterations,1500,2.000000,,\n\
        light_attempt,4000,1.000000,,\nlight_error,4000,1.000000,,\n\
        light_attempt,4500,1.000000,,\nlight_call,4500,512.250000,,\n";

    #[test]
    fn the_warm_up_does_not_count_but_a_dropped_call_always_does() {
        let felt = Felt::read(SAMPLES, Duration::from_secs(3)).unwrap_or_default();
        assert_eq!(felt.calls, [Point { at: 0.5, ms: 512.25 }]);
        assert_eq!((felt.attempts, felt.errors, felt.dropped), (2, 1, 2));
        assert_eq!(felt.from, Duration::from_secs(4));
    }

    #[test]
    fn what_are_no_samples_is_an_error() {
        assert!(Felt::read("", Duration::ZERO).is_none());
        assert!(
            Felt::read("metric_name,timestamp,metric_value\nlight_call,soon,1\n", Duration::ZERO)
                .is_none()
        );
    }
}
