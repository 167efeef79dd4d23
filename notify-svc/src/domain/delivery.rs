//! The moves of an open email: what is decided when it is claimed, when an attempt ended, when a lease ran out.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    email::State,
    kind::Kind,
    reply::{Ending, Verdict},
    restraint::{Company, Lately, Restrained, Restraint},
};

/// The numbers that the moves depend on.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Waits after the first, second ... failed attempt; one failure more, and the email is dead.
    pub(crate) retry_delays: Vec<Duration>,
    pub(crate) deadlines: Deadlines,
    pub(crate) restraint: Restraint,
}

/// How old an email's reason may be when it goes out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    pub(crate) initial: Duration,
    pub(crate) reminder: Duration,
    /// Of acceptances and replies.
    pub(crate) answer: Duration,
}

impl Deadlines {
    fn of(self, kind: Kind) -> Duration {
        match kind {
            Kind::Initial => self.initial,
            Kind::Reminder => self.reminder,
            Kind::Acceptance | Kind::Reply => self.answer,
        }
    }
}

/// What an open email has been through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// Attempts that failed for now.
    pub(crate) failures: i16,
    /// Attempts that ended by what may be the mail server's fault or this email's.
    pub(crate) faults: i16,
    /// An attempt was lost after its body began.
    pub(crate) doubted: bool,
}

/// What is known of a claimed email and its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) event_time: Timestamp,
    pub(crate) progress: Progress,
    /// Whether a cancel that covers it came since it was queued.
    pub(crate) fenced: bool,
    /// Whether the reader wants emails of its kind.
    pub(crate) wanted: bool,
    /// Whether its address is known to be dead.
    pub(crate) suppressed: bool,
    /// The reader's IANA time zone.
    pub(crate) zone: String,
    pub(crate) lately: Lately,
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

/// What a claimed email is told before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    Send(Company),
    Close(State),
    Restrain(Timestamp, Restrained),
}

/// Judges a claimed email. What ends it comes before what holds it up.
pub(crate) fn before_sending(case: &Case, now: Timestamp, policy: &Policy) -> Judgement {
    let close = |state| Judgement::Close(unsent(state, case.progress));
    if case.fenced {
        return close(State::Cancelled);
    }
    if now > case.event_time
        && now.duration_since(case.event_time).unsigned_abs() > policy.deadlines.of(case.kind)
    {
        return close(State::Expired);
    }
    if case.suppressed {
        return close(State::Suppressed);
    }
    if !case.wanted {
        return close(State::PreferenceOff);
    }
    // What would wait longer than it may go out expires when that is known.
    let too_late = shell::clock::after(
        case.event_time,
        policy.deadlines.of(case.kind) + Duration::from_millis(1),
    );
    if let Some((until, why)) = policy.restraint.until(&case.lately, &case.zone, now) {
        return Judgement::Restrain(until.min(too_late), why);
    }
    match case.kind {
        Kind::Initial | Kind::Acceptance | Kind::Reply => Judgement::Send(Company::Alone),
        Kind::Reminder => match policy.restraint.company(&case.lately, now) {
            Ok(company) => Judgement::Send(company),
            Err(until) => Judgement::Restrain(until.min(too_late), Restrained::Digest),
        },
    }
}

/// Where the email goes after an attempt; `pause` is for how long no mail server may be tried, if none may.
pub(crate) fn after_attempt(
    kind: Kind,
    progress: Progress,
    verdict: Verdict,
    pause: Option<Duration>,
    now: Timestamp,
    policy: &Policy,
) -> Move {
    match verdict {
        Verdict::Sent => Move::Close(State::Sent),
        Verdict::Refused | Verdict::NoMailbox => Move::Close(unsent(State::Dead, progress)),
        Verdict::Unknown => in_doubt(kind, progress, now),
        Verdict::Delayed => {
            delay(policy, progress.failures).map_or(Move::Close(unsent(State::Dead, progress)), |delay| {
                Move::Wait {
                    run_at: shell::clock::after(now, delay),
                    progress: Progress {
                        failures: progress.failures + 1,
                        ..progress
                    },
                }
            })
        }
        // It is tried again with all the others.
        Verdict::RelayFault => Move::Wait {
            run_at: shell::clock::after(now, pause.unwrap_or_default()),
            progress,
        },
        // Waits longer each time, so that an email whose reader's server is meant does not stand before the others; its
        // deadline ends it.
        Verdict::Suspected => Move::Wait {
            run_at: shell::clock::after(
                now,
                delay(policy, progress.faults)
                    .or(policy.retry_delays.last().copied())
                    .unwrap_or_default(),
            ),
            progress: Progress {
                faults: progress.faults.saturating_add(1),
                ..progress
            },
        },
    }
}

fn delay(policy: &Policy, failures: i16) -> Option<Duration> {
    let nth = usize::from(failures.unsigned_abs());
    policy.retry_delays.get(nth).copied()
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
        Verdict::Sent
        | Verdict::Delayed
        | Verdict::Refused
        | Verdict::NoMailbox
        | Verdict::RelayFault
        | Verdict::Suspected
        | Verdict::Unknown => ending,
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
