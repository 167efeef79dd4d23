//! The moves of an open email: what is decided when it is claimed, when an attempt ended, when a lease ran out.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    email::State,
    kind::Kind,
    reply::{Ending, Verdict},
};

/// The numbers that the moves depend on.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Waits after the first, second ... failed attempt; one failure more, and the email is dead.
    pub(crate) retry_delays: Vec<Duration>,
    /// How old the reason of an initial email or a reminder may be when it goes out.
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
    kind: Kind,
    event_time: Timestamp,
    progress: Progress,
    fenced: bool,
    now: Timestamp,
    policy: &Policy,
) -> Option<State> {
    if fenced {
        return Some(unsent(State::Cancelled, progress));
    }
    let deadline = match kind {
        Kind::Initial | Kind::Reminder => policy.initial_deadline,
        Kind::Acceptance | Kind::Reply => return None,
    };
    let late = now.duration_since(event_time).unsigned_abs() > deadline && now > event_time;
    late.then(|| unsent(State::Expired, progress))
}

/// Where the email goes after an attempt.
pub(crate) fn after_attempt(
    kind: Kind,
    progress: Progress,
    verdict: Verdict,
    now: Timestamp,
    policy: &Policy,
) -> Move {
    match verdict {
        Verdict::Sent => Move::Close(State::Sent),
        Verdict::Refused => Move::Close(unsent(State::Dead, progress)),
        Verdict::Unknown => in_doubt(kind, progress, now),
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
pub(crate) fn after_lease(kind: Kind, phase: Phase, progress: Progress, now: Timestamp) -> Move {
    match phase {
        Phase::Claimed => Move::Wait {
            run_at: now,
            progress,
        },
        Phase::Body => in_doubt(kind, progress, now),
    }
}

/// A reminder in doubt counts as sent: one that is missing costs less than one that comes twice. Other emails in doubt
/// go out once more, with the same bytes and Message-ID; the second doubt is final.
fn in_doubt(kind: Kind, progress: Progress, now: Timestamp) -> Move {
    match (kind, progress.doubted) {
        (Kind::Reminder, _) => Move::Close(State::Sent),
        (Kind::Initial | Kind::Acceptance | Kind::Reply, true) => Move::Close(State::Uncertain),
        (Kind::Initial | Kind::Acceptance | Kind::Reply, false) => Move::Wait {
            run_at: now,
            progress: Progress {
                doubted: true,
                ..progress
            },
        },
    }
}

/// The end of an attempt for the email's history, which says where an outcome is in doubt.
pub(crate) fn in_history(ending: Ending, verdict: Verdict, to: Move) -> Ending {
    match verdict {
        Verdict::Unknown if to == Move::Close(State::Sent) => Ending {
            text: format!("in doubt, counts as sent: {}", ending.text),
            ..ending
        },
        Verdict::Sent | Verdict::Delayed | Verdict::Refused | Verdict::Unknown => ending,
    }
}

/// The outcome of an email that does not go out any more: after a doubt nobody can say that it never went.
fn unsent(state: State, progress: Progress) -> State {
    if progress.doubted { State::Uncertain } else { state }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests;
