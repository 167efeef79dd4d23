//! What an inviter takes back. Nothing here depends on the recipient's folder.

use super::{
    account::Account,
    command::{Moment, Recall, Recalled},
    invitation::{Invitation, Lifecycle, Received},
    pair::Pair,
    refusal::Refusal,
    transition::{Answer, Changes, Decision, Event, EventKind},
};

/// The rows that a recall is judged by.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The invitation, from the actor's book.
    pub invitation: &'a Invitation,
    /// What the two have with each other.
    pub pair: &'a Pair,
    /// The inviter's account.
    pub inviter: &'a Account,
}

/// Takes an invitation back, or its reminders. The same again is OK and changes nothing.
pub fn recall(recall: &Recall, facts: &Facts, moment: Moment) -> Decision {
    let sent = &facts.invitation.sent;
    let is_open = facts
        .pair
        .open_at(moment.now)
        .is_some_and(|open| open.id == sent.id);
    match (sent.lifecycle, recall.what) {
        _ if facts.inviter.erased => Decision::refused(Refusal::InvitationNotFound),
        (Lifecycle::Void, _) => Decision::refused(Refusal::InvitationNotFound),
        (Lifecycle::Accepted, _) => Decision::refused(Refusal::InvitationClosed),
        (Lifecycle::Expired, _) => Decision::refused(Refusal::InvitationExpired),
        (Lifecycle::Withdrawn, Recalled::Invitation) => Decision::unchanged(Answer::Sent(sent.clone())),
        (Lifecycle::Withdrawn, Recalled::Reminders) => Decision::refused(Refusal::InvitationClosed),
        (Lifecycle::Pending, _) if !is_open => Decision::refused(Refusal::InvitationExpired),
        (Lifecycle::Pending, Recalled::Invitation) => withdrawn(facts, moment),
        (Lifecycle::Pending, Recalled::Reminders) => without_reminders(facts, moment),
    }
}

fn withdrawn(facts: &Facts, moment: Moment) -> Decision {
    let after = facts.invitation.closed(Lifecycle::Withdrawn, moment.now);
    let mut pair = facts.pair.closed(after.sent.id);
    pair.from_mut(after.sent.inviter_id).email_required = true;
    let event = Event::of(EventKind::Withdrawn, &after, moment.now);
    Decision {
        answer: Ok(Answer::Sent(after.sent.clone())),
        changes: Changes {
            accounts: vec![facts.inviter.with_one_answered()],
            events: vec![event],
            ..Changes::of(after, pair)
        },
    }
}

fn without_reminders(facts: &Facts, moment: Moment) -> Decision {
    let Invitation { sent, received } = facts.invitation;
    if !received.reminders {
        return Decision::unchanged(Answer::Sent(sent.clone()));
    }
    let received = Received {
        reminders: false,
        sequence: received.sequence + 1,
        due_at: Some(received.expires_at),
        ..received.clone()
    };
    let after = Invitation {
        sent: sent.clone(),
        received: received.clone(),
    };
    Decision {
        answer: Ok(Answer::Sent(sent.clone())),
        changes: Changes {
            received: vec![received],
            pair: Some(facts.pair.clone()),
            events: vec![Event::of(EventKind::RemindersStopped, &after, moment.now)],
            ..Changes::default()
        },
    }
}

#[cfg(test)]
mod tests;
