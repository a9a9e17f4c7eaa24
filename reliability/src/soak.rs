//! How long a test goes on: a bounded amount of work in every test run, a share of the time in `cargo xtask soak`.

use std::time::{Duration, Instant};

/// When to stop, and where randomness begins.
#[derive(Debug, Clone)]
pub struct Soak {
    until: Option<Instant>,
    /// The first seed.
    pub seed: u64,
}

impl Soak {
    /// What the environment asks for: `AQUIFER_SOAK_MINUTES` and `AQUIFER_SOAK_SEED`, which `cargo xtask soak` sets.
    #[must_use]
    pub fn from_env() -> Self {
        let minutes = read::<f64>("AQUIFER_SOAK_MINUTES");
        let until = minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(minutes * 60.0));
        Self { until, seed: read("AQUIFER_SOAK_SEED").unwrap_or(1) }
    }

    /// True in the long form.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.until.is_some()
    }

    /// Whether to go on after `done` pieces of work: in the short form until there are `bounded`.
    #[must_use]
    pub fn goes_on(&self, done: u64, bounded: u64) -> bool {
        match self.until {
            Some(until) => Instant::now() < until,
            None => done < bounded,
        }
    }
}

fn read<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    match value.parse() {
        Ok(value) => Some(value),
        Err(_) => panic!("{name} is no number: {value}"),
    }
}
