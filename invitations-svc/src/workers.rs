//! Work without input: woken by a signal or a timer, each looks at the database to learn what to do.

mod duty;
pub mod erasure;
pub mod feed;
pub mod notify;
pub mod relay;
pub mod retention;
pub mod timers;

use std::time::{Duration, Instant};

fn within(length: Duration) -> Instant {
    Instant::now() + length
}

/// Between half of `length` and all of it, so that replicas do not move in step.
fn jittered(length: Duration) -> Duration {
    length.mul_f64(rand::random_range(0.5..=1.0))
}
