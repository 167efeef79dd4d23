//! For how long the database has answered this process. Leases run on while it is away, and nobody can keep them then;
//! so one that ran out says nothing about its worker until the worker has had time to keep it again.

use std::time::Duration;

use jiff::Timestamp;

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
    /// The database's clock at the last answer. Leases end by it.
    clock: Timestamp,
}

impl Contact {
    /// The database answered, so long after the worker's start, when its clock showed `clock`. After a silence of half a
    /// lease it, or this process, was away; where its clock went as much further than ours, leases ran out that nobody had
    /// time to keep.
    pub(crate) fn answered(&mut self, now: Duration, clock: Timestamp, lease: Duration) {
        let since = match self.0 {
            Some(contact) if contact.is_unbroken(now, clock, lease / 2) => contact.since,
            Some(_) | None => now,
        };
        self.0 = Some(Unbroken {
            since,
            last: now,
            clock,
        });
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

impl Unbroken {
    fn is_unbroken(self, now: Duration, clock: Timestamp, most: Duration) -> bool {
        let silence = now.saturating_sub(self.last);
        silence <= most && clock <= shell::clock::after(self.clock, silence + most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(3);

    /// Whether leases may be taken away after these answers, in milliseconds from the start; None is a failure.
    fn check(answers: impl IntoIterator<Item = Option<u64>>) -> bool {
        check_with(answers, |_| Duration::ZERO)
    }

    /// The same with a database whose clock is `ahead` of ours at these times.
    fn check_with(answers: impl IntoIterator<Item = Option<u64>>, ahead: impl Fn(u64) -> Duration) -> bool {
        let mut contact = Contact::default();
        for answer in answers {
            match answer {
                Some(at) => {
                    let clock = Timestamp::from_second(1_800_000_000).expect("in range");
                    let passed = Duration::from_millis(at);
                    contact.answered(passed, shell::clock::after(clock, passed + ahead(at)), LEASE);
                }
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
    fn a_step_of_the_databases_clock_starts_the_time_anew() {
        let step = |at| Duration::from_secs(if at < 10_000 { 0 } else { 60 });
        assert!(!check_with(each_second(0, 13), step));
        assert!(check_with(each_second(0, 14), step));
        assert!(check_with(each_second(0, 14), |_| Duration::from_secs(60)));
        // A clock that goes a little faster is none that steps.
        assert!(check_with(each_second(0, 9), |at| Duration::from_millis(at / 5)));
    }

    #[test]
    fn a_silence_starts_the_time_anew() {
        assert!(!check(each_second(0, 9).chain(each_second(11, 14))));
        assert!(check(each_second(0, 9).chain(each_second(11, 15))));
    }
}
