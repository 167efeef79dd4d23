//! What a recipient does with an invitation: the contract's table of acts.

use super::{
    account::Account,
    command::{Answer as How, Answering, Moment},
    connect::connect,
    ids,
    invitation::{Folder, Invitation, Received, Standing},
    pair::Pair,
    refusal::Refusal,
    transition::{Answer, AuditAction, AuditEntry, Changes, Decision, Event, EventKind, Reply},
};

/// The rows that an answer is judged by.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The invitation, from the actor's book.
    pub invitation: &'a Invitation,
    /// What the two have with each other.
    pub pair: &'a Pair,
    /// The inviter's account.
    pub inviter: &'a Account,
    /// The recipient's account.
    pub recipient: &'a Account,
}

/// Answers an invitation as its recipient. The same again is OK and changes nothing.
pub fn answer(answering: &Answering, facts: &Facts, moment: Moment) -> Decision {
    use How::{Accept, Decline, Ignore, Reply, Restore};
    use Standing::{Accepted, Archived, Barred, Declined, Expired, Inbox, Void, Withdrawn};
    let received = &facts.invitation.received;
    let is_open = facts
        .pair
        .open_at(moment.now)
        .is_some_and(|open| open.id == received.id);
    let has_changed = answering.seen.is_some_and(|seen| seen != received.sequence);
    if facts.inviter.erased || facts.recipient.erased {
        return Decision::refused(Refusal::InvitationNotFound);
    }
    match (facts.invitation.standing(is_open), &answering.answer) {
        (Barred | Withdrawn | Void, _) => Decision::refused(Refusal::InvitationNotFound),
        // Before the etag: it changes when a worker notes the expiry, which makes no difference to anybody.
        (Expired, _) => Decision::refused(Refusal::InvitationExpired),
        _ if has_changed => Decision::refused(Refusal::EtagMismatch),
        // Once the two have parted it connects nobody any more, also when they have connected anew.
        (Accepted, Accept) if facts.pair.connected_at == received.closed_at => in_effect(received),
        (Accepted, Accept | Reply(_) | Ignore | Restore | Decline) => {
            Decision::refused(Refusal::InvitationClosed)
        }
        (Declined, Accept | Reply(_) | Ignore | Restore) => Decision::refused(Refusal::InvitationDeclined),
        (Inbox | Archived, Accept) => accepted(facts, moment),
        (Inbox | Archived, Reply(text)) => replied(facts, text, moment),
        (Inbox, Ignore) => moved(facts, Folder::Archived, EventKind::Ignored, moment),
        (Archived, Ignore) => in_effect(received),
        (Archived, Restore) => moved(facts, Folder::Inbox, EventKind::Restored, moment),
        (Inbox, Restore) => in_effect(received),
        // Operators may have lifted it.
        (Declined, Decline) if facts.pair.from(received.inviter_id).barred => in_effect(received),
        (Archived | Declined, Decline) => declined(facts, moment),
        (Inbox, Decline) => Decision::refused(Refusal::IgnoreFirst),
    }
}

fn in_effect(received: &Received) -> Decision {
    Decision::unchanged(Answer::Received(received.clone()))
}

fn accepted(facts: &Facts, moment: Moment) -> Decision {
    match connect(
        facts.invitation,
        facts.pair,
        facts.inviter,
        facts.recipient,
        moment,
    ) {
        Ok((changes, accepted, _)) => Decision {
            changes,
            answer: Ok(Answer::Received(accepted.received)),
        },
        Err(refusal) => Decision::refused(refusal),
    }
}

fn replied(facts: &Facts, text: &str, moment: Moment) -> Decision {
    let received = &facts.invitation.received;
    if received.replies >= moment.policy.max_replies {
        return Decision::refused(Refusal::ReplyLimitReached);
    }
    let after = Received {
        replies: received.replies + 1,
        ..received.clone()
    }
    .without_reminders();
    let reply = Reply {
        inviter_id: after.inviter_id,
        invitation_id: after.id,
        number: after.replies,
        text: text.to_owned(),
        at: moment.now,
    };
    let (mut changes, received) = private(facts, after, EventKind::Replied, moment);
    changes.events[0].text = text.to_owned();
    changes.reply = Some(reply.clone());
    Decision {
        changes,
        answer: Ok(Answer::Replied(received, reply)),
    }
}

fn moved(facts: &Facts, folder: Folder, kind: EventKind, moment: Moment) -> Decision {
    let after = Received {
        folder,
        ..facts.invitation.received.clone()
    }
    .without_reminders();
    let (changes, received) = private(facts, after, kind, moment);
    Decision {
        changes,
        answer: Ok(Answer::Received(received)),
    }
}

/// Bars the inviter, and is a strike unless this recipient's last one still counts.
fn declined(facts: &Facts, moment: Moment) -> Decision {
    let after = Received {
        folder: Folder::Declined,
        ..facts.invitation.received.clone()
    };
    let (mut changes, received) = private(facts, after, EventKind::Declined, moment);
    let inviter_id = received.inviter_id;
    let pair = changes.pair.get_or_insert_with(|| facts.pair.clone());
    let side = pair.from_mut(inviter_id);
    side.barred = true;
    let window = moment.policy.strike_window;
    let struck = side
        .struck_at
        .is_some_and(|at| shell::clock::after(at, window) > moment.now);
    if !struck {
        side.struck_at = Some(moment.now);
        let (inviter, restriction) = facts.inviter.struck(moment.now, moment.policy);
        changes.audit = restriction.map(|restriction| AuditEntry {
            member_id: inviter_id,
            // One a transition: the invitation and its sequence make it as random as the invitation's own id.
            id: ids::derived(moment.now, received.id, received.sequence),
            actor: "ladder".into(),
            action: AuditAction::Restricted,
            detail: restriction.in_words(),
            note: String::new(),
        });
        changes.accounts.push(inviter);
    }
    Decision {
        changes,
        answer: Ok(Answer::Received(received)),
    }
}

/// A change that the inviter's book does not show.
fn private(facts: &Facts, after: Received, kind: EventKind, moment: Moment) -> (Changes, Received) {
    let received = Received {
        sequence: after.sequence + 1,
        ..after
    };
    let invitation = Invitation {
        sent: facts.invitation.sent.clone(),
        received: received.clone(),
    };
    let changes = Changes {
        received: vec![received.clone()],
        pair: Some(facts.pair.clone()),
        events: vec![Event::of(kind, &invitation, moment.now)],
        ..Changes::default()
    };
    (changes, received)
}

#[cfg(test)]
mod tests;
