//! The moves of an open email: what is decided when it is claimed, when an attempt ended, when a lease ran out.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    email::{Content, State},
    reply::Verdict,
};

/// The numbers that the moves depend on.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Waits after the first, second ... failed attempt; one failure more, and the email is dead.
    pub(crate) retry_delays: Vec<Duration>,
    /// How old the reason of an initial email may be when it goes out.
    pub(crate) initial_deadline: Duration,
}

/// What an open email has been through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// Attempts that failed for now.
    pub(crate) failures: i16,
    /// An attempt was lost after its body began.
    pub(crate) doubted: bool,
}

/// How far a claimed email is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Claimed = 1,
    /// Committed before the body's first byte.
    Body = 2,
}

/// Where an open email goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// It has its outcome.
    Close(State),
    /// It waits for its next attempt.
    Wait { run_at: Timestamp, progress: Progress },
}

/// What a claimed email is told before anything is sent: its outcome, or nothing when it may go out.
pub(crate) fn before_sending(
    content: &Content,
    event_time: Timestamp,
    progress: Progress,
    fenced: bool,
    now: Timestamp,
    policy: &Policy,
) -> Option<State> {
    if fenced {
        return Some(unsent(State::Cancelled, progress));
    }
    let deadline = match content {
        Content::Initial(_) => policy.initial_deadline,
        Content::Acceptance(_) => return None,
    };
    let late = now.duration_since(event_time).unsigned_abs() > deadline && now > event_time;
    late.then(|| unsent(State::Expired, progress))
}

/// Where the email goes after an attempt.
pub(crate) fn after_attempt(progress: Progress, verdict: Verdict, now: Timestamp, policy: &Policy) -> Move {
    match verdict {
        Verdict::Sent => Move::Close(State::Sent),
        Verdict::Refused => Move::Close(unsent(State::Dead, progress)),
        Verdict::Unknown => in_doubt(progress, now),
        Verdict::Delayed => {
            let delay = policy
                .retry_delays
                .get(usize::from(progress.failures.unsigned_abs()));
            delay.map_or(Move::Close(unsent(State::Dead, progress)), |delay| Move::Wait {
                run_at: shell::clock::after(now, *delay),
                progress: Progress {
                    failures: progress.failures + 1,
                    ..progress
                },
            })
        }
    }
}

/// Where the email goes when the lease of its claim ran out: whoever held it is gone or stalled.
pub(crate) fn after_lease(phase: Phase, progress: Progress, now: Timestamp) -> Move {
    match phase {
        Phase::Claimed => Move::Wait {
            run_at: now,
            progress,
        },
        Phase::Body => in_doubt(progress, now),
    }
}

/// An email in doubt goes out once more, with the same bytes and Message-ID; the second doubt is final.
fn in_doubt(progress: Progress, now: Timestamp) -> Move {
    if progress.doubted {
        return Move::Close(State::Uncertain);
    }
    Move::Wait {
        run_at: now,
        progress: Progress {
            doubted: true,
            ..progress
        },
    }
}

/// The outcome of an email that does not go out any more: after a doubt nobody can say that it never went.
fn unsent(state: State, progress: Progress) -> State {
    if progress.doubted { State::Uncertain } else { state }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::email::{Acceptance, Initial};

    fn policy() -> Policy {
        let minutes = [1, 5, 30, 120, 360, 1_440];
        Policy {
            retry_delays: minutes.map(|m| Duration::from_secs(m * 60)).to_vec(),
            initial_deadline: Duration::from_secs(48 * 3_600),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    fn been(failures: i16, doubted: bool) -> Progress {
        Progress { failures, doubted }
    }

    fn initial() -> Content {
        let text = String::new;
        Content::Initial(Initial {
            inviter_name: text(),
            note: text(),
            accept_url: text(),
            inviter_profile_url: text(),
            inbox_url: text(),
        })
    }

    fn acceptance() -> Content {
        let text = String::new;
        Content::Acceptance(Acceptance {
            connection_name: text(),
            connection_address: text(),
            connection_profile_url: text(),
            total_count: 0,
            shared_count: 0,
            names: Vec::new(),
        })
    }

    #[test]
    fn six_waits_and_then_it_is_dead() {
        let mut progress = Progress::default();
        let mut now = at(0);
        for minutes in [1, 5, 30, 120, 360, 1_440] {
            let Move::Wait {
                run_at,
                progress: next,
            } = after_attempt(progress, Verdict::Delayed, now, &policy())
            else {
                panic!("waits after failure {}", progress.failures);
            };
            assert_eq!(run_at.duration_since(now).as_secs(), minutes * 60);
            (now, progress) = (run_at, next);
        }
        assert_eq!(
            after_attempt(progress, Verdict::Delayed, now, &policy()),
            Move::Close(State::Dead)
        );
    }

    #[test]
    fn a_doubt_is_resent_once_and_burns_no_attempt() {
        let again = Move::Wait {
            run_at: at(0),
            progress: been(2, true),
        };
        assert_eq!(
            after_attempt(been(2, false), Verdict::Unknown, at(0), &policy()),
            again
        );
        assert_eq!(after_lease(Phase::Body, been(2, false), at(0)), again);
        let done = Move::Close(State::Uncertain);
        assert_eq!(
            after_attempt(been(2, true), Verdict::Unknown, at(0), &policy()),
            done
        );
        assert_eq!(after_lease(Phase::Body, been(2, true), at(0)), done);
    }

    #[test]
    fn a_lease_that_ran_out_before_the_body_costs_nothing() {
        for progress in [been(0, false), been(3, true)] {
            let again = Move::Wait {
                run_at: at(7),
                progress,
            };
            assert_eq!(after_lease(Phase::Claimed, progress, at(7)), again);
        }
    }

    #[test]
    fn after_a_doubt_only_a_2xx_makes_it_certain() {
        let check = |verdict, expected| {
            assert_eq!(
                after_attempt(been(6, true), verdict, at(0), &policy()),
                Move::Close(expected)
            );
        };
        check(Verdict::Sent, State::Sent);
        check(Verdict::Refused, State::Uncertain);
        check(Verdict::Delayed, State::Uncertain);
        check(Verdict::Unknown, State::Uncertain);
    }

    #[test]
    fn an_initial_email_goes_out_up_to_48_hours_after_its_reason() {
        let hour = 3_600;
        let decide = |content: &Content, now| {
            before_sending(content, at(0), Progress::default(), false, now, &policy())
        };
        assert_eq!(decide(&initial(), at(48 * hour)), None);
        assert_eq!(decide(&initial(), at(48 * hour + 1)), Some(State::Expired));
        assert_eq!(
            decide(&initial(), at(-100 * hour)),
            None,
            "the caller's clock may be ahead"
        );
        assert_eq!(decide(&acceptance(), at(1_000 * hour)), None);
    }

    #[test]
    fn a_fenced_email_never_goes_out() {
        for content in [initial(), acceptance()] {
            let decide = |progress| before_sending(&content, at(0), progress, true, at(0), &policy());
            assert_eq!(decide(been(0, false)), Some(State::Cancelled));
            assert_eq!(decide(been(0, true)), Some(State::Uncertain));
        }
    }
}
