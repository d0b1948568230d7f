//! Exact percentiles.

/// Samples in milliseconds, sorted: nothing is interpolated and nothing is put into a bucket.
///
/// ```
/// let seen: load::Percentiles = (1..=200).map(f64::from).collect();
/// assert_eq!(seen.at(99.0), 198.0);
/// assert_eq!(seen.len(), 200);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Percentiles(Vec<f64>);

impl Percentiles {
    /// How many samples there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest sample that at least `percent` of all samples do not exceed (nearest rank), in
    /// milliseconds. Infinite where there is no sample: nobody was served.
    #[must_use]
    pub fn at(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(f64::INFINITY)
    }
}

impl FromIterator<f64> for Percentiles {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        Self(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample_that_was_seen() {
        let seen: Percentiles = [5.0, 1.0, 3.0].into_iter().collect();
        assert_eq!(
            [1.0, 34.0, 50.0, 67.0, 99.0, 100.0].map(|at| seen.at(at)),
            [1.0, 3.0, 3.0, 5.0, 5.0, 5.0]
        );
    }

    #[test]
    fn one_slow_call_in_a_hundred_is_behind_the_p99_and_two_are_it() {
        let with_slow = |slow: usize| -> Percentiles {
            (0..100).map(|at| if at < slow { 900.0 } else { 1.0 }).collect()
        };
        assert_eq!(with_slow(1).at(99.0), 1.0);
        assert_eq!(with_slow(2).at(99.0), 900.0);
    }

    #[test]
    fn without_a_sample_nobody_was_served_in_time() {
        assert_eq!(Percentiles::default().at(50.0), f64::INFINITY);
    }
}
