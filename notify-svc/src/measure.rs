//! The numbers that tell how the queue does. `accepted = sum(outcomes) + open` holds over the lives of all replicas, but for
//! an answer of the database that is lost: what is done then is counted nowhere.

use std::time::Duration;

use crate::domain::{delivery::Phase, email::Outcome, kind::Kind, restraint::Restrained};

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

/// Emails of a kind that are open, over all replicas, how many of them were tried and not taken, and for how long the longest
/// waiting one has been due.
pub(crate) fn open(kind: Kind, count: i64, delayed: i64, oldest: Duration) {
    metrics::gauge!("emails_open", "kind" => kind.name()).set(count as f64);
    metrics::gauge!("emails_delayed", "kind" => kind.name()).set(delayed as f64);
    metrics::gauge!("emails_oldest_seconds", "kind" => kind.name()).set(oldest.as_secs_f64());
}

/// An email that was due was put off.
pub(crate) fn restrained(why: Restrained) {
    let why = match why {
        Restrained::Cap => "cap",
        Restrained::QuietHours => "quiet_hours",
        Restrained::Digest => "digest",
    };
    metrics::counter!("emails_put_off_total", "why" => why).increment(1);
}

/// A body did not begin: at the last moment its email was cancelled or taken over by another worker, or its reader had got
/// too much or wanted no more.
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
