//! Sending: the checks in the order of the contract, because the order decides what leaks.

use jiff::Timestamp;
use shell::{addresses, clock::after};

use super::{
    accept::connect,
    account::Account,
    command::{Moment, Send},
    ids,
    invitation::{Folder, Lifecycle, Received},
    member::Addressee,
    pair::{Open, Pair},
    refusal::Refusal,
    transition::{Answer, Changes, Decision, Event, EventKind},
};

/// The rows that a send is judged by.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The inviter's quota; none where the inviter is no member.
    pub account: Option<&'a Account>,
    /// The recipient; none where they are no member.
    pub recipient: Option<&'a Addressee>,
    /// What the two have with each other.
    pub pair: &'a Pair,
    /// The pair's open invitation, whole.
    pub open: Option<&'a Received>,
}

/// Sends an invitation.
pub fn send(command: &Send, facts: &Facts, moment: Moment) -> Decision {
    let (Some(account), Some(recipient)) = (facts.account, facts.recipient) else {
        return Decision::refused(Refusal::MemberNotFound);
    };
    if facts.pair.connected_at.is_some() {
        return Decision::refused(Refusal::AlreadyConnected);
    }
    let open = facts.pair.open_at(moment.now).map(|open| {
        let row = facts
            .open
            .expect("facts hold the open invitation of every pair they hold");
        debug_assert_eq!(row.id, open.id);
        row
    });
    if let Some(theirs) = open.filter(|open| open.inviter_id == command.recipient_id) {
        let (changes, _, connected) = connect(theirs, facts.pair, moment);
        return Decision {
            changes,
            answer: Ok(Answer::Connected(connected)),
        };
    }
    let charged = account.charged(moment.now, moment.policy);
    match (recipient, &command.recipient_email, &charged) {
        (Addressee::Everyone, ..) => {}
        (Addressee::KnowsMyEmail(_), None, _) => return Decision::refused(Refusal::EmailRequired),
        // Guessing costs what sending costs. Where the quota ends, nothing is judged any more, right or wrong.
        (Addressee::KnowsMyEmail(_), Some(_), Err(spent)) => return Decision::refused(*spent),
        (Addressee::KnowsMyEmail(email), Some(given), Ok(_)) if addresses::same_mailbox(given, email) => {}
        (Addressee::KnowsMyEmail(_), Some(_), Ok(account)) => {
            return charge_for_a_guess(account.clone());
        }
    }
    let sends_to_pair = facts.pair.sends_from(command.inviter_id);
    if sends_to_pair.count(moment.policy.pair_window, moment.now) >= moment.policy.pair_sends {
        return Decision::refused(Refusal::InvitationAlreadySent);
    }
    match charged {
        Ok(account) => sent(command, account, facts.pair, open, moment),
        Err(refusal) => Decision::refused(refusal),
    }
}

fn charge_for_a_guess(account: Account) -> Decision {
    Decision {
        changes: Changes {
            account: Some(account),
            ..Changes::default()
        },
        answer: Err(Refusal::EmailRequired),
    }
}

/// Sends anew, or again where an invitation of this inviter is open: same id, note and expiry renewed, back to the
/// inbox. What the recipient did with it makes no difference.
fn sent(command: &Send, account: Account, pair: &Pair, open: Option<&Received>, moment: Moment) -> Decision {
    let expires_at = after(moment.now, moment.policy.open_for);
    let email_due = open.is_none_or(|open| after(open.emailed_at, moment.policy.email_pause) <= moment.now);
    let received = Received {
        recipient_id: command.recipient_id,
        id: open.map_or_else(|| ids::new(moment.now, &command.entropy), |open| open.id),
        inviter_id: command.inviter_id,
        note: command.note.clone(),
        lifecycle: Lifecycle::Pending,
        folder: Folder::Inbox,
        sequence: open.map_or(1, |open| open.sequence + 1),
        sent_at: moment.now,
        expires_at,
        accepted_at: None,
        emailed_at: if email_due {
            moment.now
        } else {
            open.map_or(moment.now, |open| open.emailed_at)
        },
        reminders: command.reminders,
    };
    let mut pair = Pair {
        open: Some(Open {
            id: received.id,
            inviter_id: received.inviter_id,
            until: expires_at,
        }),
        ..pair.clone()
    };
    pair.sends_from_mut(command.inviter_id)
        .record(moment.now, moment.policy.pair_sends);
    let event = email_due.then(|| sent_event(&received, moment.now));
    Decision {
        answer: Ok(Answer::Sent(received.for_inviter())),
        changes: Changes {
            account: Some(account),
            pair: Some(pair),
            received: Some(received),
            inviter_sees: true,
            event,
            ..Changes::default()
        },
    }
}

fn sent_event(received: &Received, now: Timestamp) -> Event {
    Event {
        kind: EventKind::Sent,
        invitation_id: received.id,
        sequence: received.sequence,
        inviter_id: received.inviter_id,
        recipient_id: received.recipient_id,
        note: received.note.clone(),
        happened_at: now,
    }
}

#[cfg(test)]
mod tests;
