//! What time brings: reminders and the expiry, and the end of an erased member's invitations.

use std::time::Duration;

use jiff::Timestamp;
use shell::clock::after;

use super::{
    account::Account,
    command::Moment,
    invitation::{Invitation, Lifecycle, Received},
    pair::Pair,
    transition::{Answer, Changes, Decision, Event, EventKind},
};

/// How long a reminder waits before a restriction without an end is looked at again.
const PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The rows that it is judged by.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The invitation.
    pub invitation: &'a Invitation,
    /// What the two have with each other.
    pub pair: &'a Pair,
    /// The inviter's account.
    pub inviter: &'a Account,
}

/// Does what is due at this moment; nothing where something else came first.
pub fn due(facts: &Facts, moment: Moment) -> Decision {
    // The settings may plan fewer reminders than when it was sent. How many went is not known, so this holds for what was
    // not reminded of yet.
    let most = moment.policy.reminders_after.len();
    if facts.invitation.received.reminders_left > most {
        let mut invitation = facts.invitation.clone();
        invitation.received.reminders_left = most;
        let invitation = &invitation;
        return due(&Facts { invitation, ..*facts }, moment);
    }
    let received = &facts.invitation.received;
    let is_due = received.due_at.is_some_and(|at| at <= moment.now);
    match received.lifecycle {
        Lifecycle::Accepted | Lifecycle::Withdrawn | Lifecycle::Expired | Lifecycle::Void => {
            Decision::unchanged(Answer::Done)
        }
        Lifecycle::Pending if received.expires_at <= moment.now => expired(facts, moment),
        Lifecycle::Pending if !is_due => Decision::unchanged(Answer::Done),
        Lifecycle::Pending if !received.can_be_reminded() => {
            let received = received.clone().scheduled(moment.now, moment.policy);
            put_off(facts, received)
        }
        Lifecycle::Pending => match facts.inviter.restriction_at(moment.now) {
            Some(restriction) => {
                let later = after(moment.now, PAUSE);
                let until = restriction.until.unwrap_or(later).min(later);
                put_off(facts, at(received, until))
            }
            None => reminded(facts, moment),
        },
    }
}

/// Ends an open invitation of a member who was erased.
pub fn void(facts: &Facts, moment: Moment) -> Decision {
    match facts.invitation.received.lifecycle {
        Lifecycle::Pending => {
            let inviter = if facts.invitation.received.expires_at <= moment.now {
                facts.inviter.with_one_expired()
            } else {
                facts.inviter.with_one_answered()
            };
            closed(facts, Lifecycle::Void, EventKind::Voided, inviter, moment)
        }
        Lifecycle::Accepted | Lifecycle::Withdrawn | Lifecycle::Expired | Lifecycle::Void => {
            Decision::unchanged(Answer::Done)
        }
    }
}

/// Notes what everybody sees already.
pub(super) fn expired(facts: &Facts, moment: Moment) -> Decision {
    let inviter = facts.inviter.with_one_expired();
    closed(facts, Lifecycle::Expired, EventKind::Expired, inviter, moment)
}

fn closed(
    facts: &Facts,
    lifecycle: Lifecycle,
    kind: EventKind,
    inviter: Account,
    moment: Moment,
) -> Decision {
    let after = facts.invitation.closed(lifecycle, moment.now);
    let event = Event::of(kind, &after, moment.now);
    let pair = facts.pair.closed(after.received.id);
    Decision {
        answer: Ok(Answer::Done),
        changes: Changes {
            accounts: vec![inviter],
            events: vec![event],
            ..Changes::of(after, pair)
        },
    }
}

/// One reminder, however late it is; the next one keeps its distance.
fn reminded(facts: &Facts, moment: Moment) -> Decision {
    let lengths = &moment.policy.reminders_after;
    let received = &facts.invitation.received;
    let place = lengths.len().saturating_sub(received.reminders_left);
    let reminded = Received {
        reminders_left: received.reminders_left - 1,
        sequence: received.sequence + 1,
        ..received.clone()
    };
    let distance = match (lengths.get(place), lengths.get(place + 1)) {
        (Some(this), Some(next)) => next.saturating_sub(*this),
        (Some(_) | None, _) => Duration::ZERO,
    };
    let next = match reminded.reminder_at(moment.policy) {
        Some(planned) => planned.max(after(moment.now, distance)),
        None => reminded.expires_at,
    };
    let reminded = at(&reminded, next);
    let invitation = Invitation {
        sent: facts.invitation.sent.clone(),
        received: reminded.clone(),
    };
    let event = Event {
        text: reminded.note.clone(),
        number: place + 1,
        ..Event::of(EventKind::Reminded, &invitation, moment.now)
    };
    Decision {
        answer: Ok(Answer::Done),
        changes: Changes {
            received: vec![reminded],
            pair: Some(facts.pair.clone()),
            events: vec![event],
            ..Changes::default()
        },
    }
}

/// Nothing happens but that it is looked at later.
fn put_off(facts: &Facts, received: Received) -> Decision {
    Decision {
        answer: Ok(Answer::Done),
        changes: Changes {
            received: vec![received],
            pair: Some(facts.pair.clone()),
            ..Changes::default()
        },
    }
}

fn at(received: &Received, next: Timestamp) -> Received {
    Received {
        due_at: Some(next.min(received.expires_at)),
        ..received.clone()
    }
}

#[cfg(test)]
mod tests;
