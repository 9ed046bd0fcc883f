//! How long calls took: a histogram of plain atomics. Any thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in microseconds, with the seconds as OpenMetrics writes them.
pub const BOUNDS: [(u64, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (5_000_000, "5.0"),
    (10_000_000, "10.0"),
];

/// Calls by duration.
#[derive(Debug, Default)]
pub struct Latency {
    /// By the first bound that is not below them; the last is for those above all.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
    faults: AtomicU64,
}

impl Latency {
    /// Counts a call.
    pub fn add(&self, took: Duration, fault: bool) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.faults.fetch_add(u64::from(fault), Ordering::Relaxed);
    }

    /// Calls so far that took up to each bound, and last all.
    pub fn cumulative(&self) -> Vec<u64> {
        let mut sum = 0;
        self.buckets
            .iter()
            .map(|bucket| {
                sum += bucket.load(Ordering::Relaxed);
                sum
            })
            .collect()
    }

    /// Time that all calls took.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }

    /// Calls that ended in a fault.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_in_their_bucket_and_all_above() {
        let latency = Latency::default();
        latency.add(Duration::from_micros(1_000), false);
        latency.add(Duration::from_micros(1_001), true);
        latency.add(Duration::from_secs(60), false);
        let counts = latency.cumulative();
        assert_eq!(counts.get(..4), Some(&[0, 1, 2, 2][..]));
        assert_eq!(counts.last(), Some(&3));
        assert_eq!((latency.faults(), latency.sum().as_secs()), (1, 60));
    }
}
