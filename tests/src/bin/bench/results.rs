//! What was measured.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use tests::watch::Cpu;

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Times {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
}

impl Times {
    /// Of a histogram of microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |share: f64| histogram.value_at_quantile(share) as f64 / 1e3;
        Self {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
        }
    }
}

/// An empty histogram of microseconds, up to a minute.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are right")
}

pub(crate) fn record(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
}

/// One measurement.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Sample {
    /// Operations a second, unless the measurement's name says otherwise.
    pub(crate) value: f64,
    pub(crate) times: Option<Times>,
    /// Operations that were counted.
    pub(crate) count: u64,
    /// Answers that were errors.
    pub(crate) errors: u64,
    /// Microseconds for each operation.
    pub(crate) cpu: Option<Cpu>,
    /// Share of the machine that others had meanwhile.
    pub(crate) foreign: f64,
}

impl Sample {
    /// A number that is no rate.
    pub(crate) fn of(value: f64) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }
}

/// What was measured under one name.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement {
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

impl Measurement {
    /// The sample in the middle by its value.
    pub(crate) fn median(&self) -> Option<&Sample> {
        let mut sorted: Vec<&Sample> = self.samples.iter().collect();
        sorted.sort_unstable_by(|one, other| one.value.total_cmp(&other.value));
        sorted.get((sorted.len() - 1) / 2).copied()
    }

    /// Error answers in all samples.
    pub(crate) fn errors(&self) -> u64 {
        self.samples.iter().map(|sample| sample.errors).sum()
    }
}

/// Everything that was measured, in its order.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results(pub(crate) Vec<Measurement>);

impl Results {
    pub(crate) fn add(&mut self, name: &str, sample: Sample) {
        match self.0.iter_mut().find(|measurement| measurement.name == name) {
            Some(measurement) => measurement.samples.push(sample),
            None => self.0.push(Measurement {
                name: name.to_owned(),
                samples: vec![sample],
            }),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Measurement> {
        self.0.iter().find(|measurement| measurement.name == name)
    }

    /// The median's value.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        Some(self.get(name)?.median()?.value)
    }

    /// Error answers of all measurements.
    pub(crate) fn errors(&self) -> u64 {
        self.0.iter().map(Measurement::errors).sum()
    }
}
