//! The numbers that tell how the queue does. `accepted = sum(outcomes) + open` holds over all replicas.

use crate::domain::{delivery::Phase, email::State};

/// Emails were queued for the first time.
pub(crate) fn accepted(count: u64) {
    metrics::counter!("emails_accepted_total").increment(count);
}

/// An email got its outcome.
pub(crate) fn outcome(state: State) {
    metrics::counter!("emails_outcome_total", "outcome" => state.name()).increment(1);
}

/// Emails that are open, over all replicas.
pub(crate) fn open(count: i64) {
    metrics::gauge!("emails_open").set(count as f64);
}

/// A body did not begin: its email was cancelled at the last moment, or taken over by another worker.
pub(crate) fn unmarked() {
    metrics::counter!("emails_unmarked_total").increment(1);
}

/// A worker wanted to write about a claim that is not its own any more.
pub(crate) fn stale_finish() {
    metrics::counter!("emails_stale_finish_total").increment(1);
}

/// A lease ran out and was taken away.
pub(crate) fn lease_expired(phase: Phase) {
    let phase = match phase {
        Phase::Claimed => "claimed",
        Phase::Body => "body",
    };
    metrics::counter!("email_lease_expired_total", "phase" => phase).increment(1);
}
