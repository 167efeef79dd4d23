//! The numbers that tell how the queue does. `accepted = sum(outcomes) + open` holds over all replicas.

use crate::domain::{delivery::Phase, email::Outcome, kind::Kind};

/// An email was queued for the first time.
pub(crate) fn accepted(kind: Kind) {
    metrics::counter!("emails_accepted_total", "kind" => kind.name()).increment(1);
}

/// An email got its outcome.
pub(crate) fn outcome(outcome: Outcome) {
    let (kind, state) = (outcome.kind.name(), outcome.state.name());
    metrics::counter!("emails_outcome_total", "kind" => kind, "outcome" => state).increment(1);
}

/// An operator took an outcome back: the email is open again, or has another one, which counts as well. So
/// `accepted + reopened = sum(outcomes) + open`.
pub(crate) fn reopened(outcome: Outcome) {
    let (kind, state) = (outcome.kind.name(), outcome.state.name());
    metrics::counter!("emails_reopened_total", "kind" => kind, "outcome" => state).increment(1);
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
