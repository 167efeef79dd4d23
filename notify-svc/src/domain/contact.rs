//! For how long the database has answered this process. Leases run on while it is away, and nobody can keep them then;
//! so one that ran out says nothing about its worker until the worker has had time to keep it again.

use std::time::Duration;

/// Longest time that a live worker needs to reach a database that is back: a connect that hangs, and the pause after it.
const RECONNECT: Duration = Duration::from_secs(6);

/// How often a lease is kept while it runs.
const KEPT_PER_LEASE: u32 = 3;

/// Time between two extensions of one lease.
pub(crate) fn heartbeat(lease: Duration) -> Duration {
    lease / KEPT_PER_LEASE
}

/// How long the database must have answered before a lease that ran out tells of a dead worker: each live one has sent
/// a heartbeat by then. A short lease is not made to wait longer than one more of it.
fn grace(lease: Duration) -> Duration {
    heartbeat(lease) + RECONNECT.min(lease)
}

/// What this process knows of the database: nothing at its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Contact(Option<Unbroken>);

/// Times since the worker's start.
#[derive(Debug, Clone, Copy)]
struct Unbroken {
    since: Duration,
    last: Duration,
}

impl Contact {
    /// The database answered, so long after the worker's start. After a silence of half a lease it, or this process, was
    /// away.
    pub(crate) fn answered(&mut self, now: Duration, lease: Duration) {
        let since = match self.0 {
            Some(contact) if now.saturating_sub(contact.last) <= lease / 2 => contact.since,
            Some(_) | None => now,
        };
        self.0 = Some(Unbroken { since, last: now });
    }

    /// The database did not answer, or not with what it was asked for.
    pub(crate) fn lost(&mut self) {
        self.0 = None;
    }

    /// Whether leases that ran out may be taken away.
    pub(crate) fn may_reap(&self, lease: Duration) -> bool {
        self.0
            .is_some_and(|contact| contact.last.saturating_sub(contact.since) >= grace(lease))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(3);

    /// Whether leases may be taken away after these answers, in milliseconds from the start; None is a failure.
    fn check(answers: impl IntoIterator<Item = Option<u64>>) -> bool {
        let mut contact = Contact::default();
        for answer in answers {
            match answer {
                Some(at) => contact.answered(Duration::from_millis(at), LEASE),
                None => contact.lost(),
            }
        }
        contact.may_reap(LEASE)
    }

    fn each_second(from: u64, to: u64) -> impl Iterator<Item = Option<u64>> {
        (from..=to).map(|second| Some(second * 1_000))
    }

    #[test]
    fn nothing_is_reaped_before_every_live_worker_has_had_time_for_a_heartbeat() {
        assert!(!check([]));
        assert!(!check(each_second(0, 3)));
        assert!(check(each_second(0, 4)));
    }

    #[test]
    fn a_failure_starts_the_time_anew() {
        assert!(!check(each_second(0, 9).chain([None])));
        assert!(!check(each_second(0, 9).chain([None]).chain(each_second(10, 13))));
        assert!(check(each_second(0, 9).chain([None]).chain(each_second(10, 14))));
    }

    #[test]
    fn a_silence_starts_the_time_anew() {
        assert!(!check(each_second(0, 9).chain(each_second(11, 14))));
        assert!(check(each_second(0, 9).chain(each_second(11, 15))));
    }
}
