//! Sending: the checks in the order of the contract, because the order decides what leaks.
//!
//! Everything up to the quota depends on what the inviter knows or did. Only the hidden gate depends on what the
//! recipient hid, and it comes after the quota is charged.

use jiff::Timestamp;
use shell::{addresses, clock::after};

use super::{
    account::{Account, RestrictionKind, Spent},
    command::{Moment, Send},
    connect::connect,
    due, ids,
    invitation::{Folder, Invitation, Lifecycle, Received, Sent},
    member::{Addressee, InvitationPolicy},
    pair::{Open, Pair},
    policy::AfterDecline,
    refusal::Refusal,
    transition::{Answer, Changes, Connected, Decision, Event, EventKind},
};

/// The rows that a send is judged by.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The inviter's account; none where the inviter is no member.
    pub account: Option<&'a Account>,
    /// The recipient; none where they are no member.
    pub recipient: Option<&'a Addressee>,
    /// The recipient's account, where the two have an invitation.
    pub theirs: Option<&'a Account>,
    /// What the two have with each other.
    pub pair: &'a Pair,
    /// The pair's invitation that is open, or was until it expired.
    pub open: Option<&'a Invitation>,
}

/// Which check answered a send, and how.
#[derive(Debug)]
pub enum Verdict {
    /// Inviter or recipient is no member.
    Unknown,
    /// The two are connected.
    Connected,
    /// The recipient's open invitation was met.
    Mutual(Result<Box<(Changes, Connected)>, Refusal>),
    /// The inviter is suspended.
    Suspended,
    /// The recipient's address is needed and missing.
    AddressMissing,
    /// The recipient's address is needed and wrong: that costs.
    AddressWrong(Account),
    /// The recipient was invited too often.
    SentTooOften,
    /// A limit of the inviter is reached.
    LimitReached,
    /// Something that the recipient hides stands against it. `Err` is the refusal with what it costs.
    Hidden(Result<Box<Written>, Box<Charged>>),
    /// Sent again.
    Resent(Box<Written>),
    /// Sent anew.
    New(Box<Written>),
}

/// What a charged send costs: account and pair.
#[derive(Debug)]
pub struct Charged {
    account: Account,
    pair: Pair,
}

/// What a granted send writes.
#[derive(Debug)]
pub struct Written {
    changes: Changes,
    sent: Sent,
}

/// Sends an invitation.
pub fn send(command: &Send, facts: &Facts, moment: Moment) -> Decision {
    let refused_and_charged = |account, pair, refusal| Decision {
        changes: Changes {
            accounts: vec![account],
            pair,
            ..Changes::default()
        },
        answer: Err(refusal),
    };
    match judge(command, facts, moment) {
        Verdict::Unknown => Decision::refused(Refusal::MemberNotFound),
        Verdict::Connected => Decision::refused(Refusal::AlreadyConnected),
        Verdict::Mutual(Ok(met)) => Decision {
            changes: met.0,
            answer: Ok(Answer::Connected(met.1)),
        },
        Verdict::Mutual(Err(refusal)) => Decision::refused(refusal),
        Verdict::Suspended => Decision::refused(Refusal::InvitingRestricted),
        Verdict::AddressMissing => Decision::refused(Refusal::EmailRequired),
        Verdict::AddressWrong(account) => refused_and_charged(account, None, Refusal::EmailRequired),
        Verdict::SentTooOften => Decision::refused(Refusal::InvitationAlreadySent),
        Verdict::LimitReached => Decision::refused(Refusal::InvitationLimitReached),
        Verdict::Hidden(Err(charged)) => {
            refused_and_charged(charged.account, Some(charged.pair), Refusal::CannotInviteMember)
        }
        Verdict::Hidden(Ok(written)) | Verdict::Resent(written) | Verdict::New(written) => Decision {
            changes: written.changes,
            answer: Ok(Answer::Sent(written.sent)),
        },
    }
}

/// The checks, in their order.
pub fn judge(command: &Send, facts: &Facts, moment: Moment) -> Verdict {
    let Moment { now, policy } = moment;
    let Some(account) = facts.account.filter(|account| !account.erased) else {
        return Verdict::Unknown;
    };
    let Some(recipient) = facts.recipient else {
        return Verdict::Unknown;
    };
    if facts.pair.connected_at.is_some() {
        return Verdict::Connected;
    }
    let open = facts.pair.open_at(now).map(|_| invitation_of(facts));
    if let Some(theirs) = open.filter(|open| open.sent.inviter_id == command.recipient_id) {
        let inviter = facts
            .theirs
            .expect("facts hold the account of every inviter they hold");
        let met = connect(theirs, facts.pair, inviter, account, moment);
        return Verdict::Mutual(met.map(|(changes, _, connected)| Box::new((changes, connected))));
    }
    let restricted = account.restricted(now);
    if restricted == Some(RestrictionKind::Suspended) {
        return Verdict::Suspended;
    }
    let side = facts.pair.from(command.inviter_id);
    let needs_address = side.email_required
        || restricted == Some(RestrictionKind::EmailRequired)
        || recipient.policy == InvitationPolicy::KnowsMyEmail;
    let charged = account.charged(now, policy);
    match (&command.recipient_email, &charged) {
        _ if !needs_address => {}
        (None, _) => return Verdict::AddressMissing,
        // Guessing costs what sending costs. Where the quota ends, nothing is judged any more, right or wrong.
        (Some(_), Err(Spent)) => return Verdict::LimitReached,
        (Some(given), Ok(_)) if addresses::same_mailbox(given, &recipient.email) => {}
        (Some(_), Ok(account)) => return Verdict::AddressWrong(account.clone()),
    }
    if side.sends.count(policy.pair_window, now) >= policy.pair_sends {
        return Verdict::SentTooOften;
    }
    let is_full = account.connections >= policy.max_connections
        || (open.is_none() && account.waiting() >= policy.quota_outstanding);
    let account = match charged {
        Ok(account) if !is_full => account,
        Ok(_) | Err(Spent) => return Verdict::LimitReached,
    };
    let mut pair = facts.pair.clone();
    pair.from_mut(command.inviter_id)
        .sends
        .record(now, policy.pair_sends);
    let is_hidden = side.barred || recipient.policy == InvitationPolicy::Nobody;
    match (is_hidden, policy.after_decline) {
        (true, AfterDecline::Refuse) => Verdict::Hidden(Err(Box::new(Charged { account, pair }))),
        (true, AfterDecline::Silent) => Verdict::Hidden(Ok(Box::new(written(
            command,
            facts,
            account,
            pair,
            Reach::Nobody,
            moment,
        )))),
        (false, _) => {
            let written = written(command, facts, account, pair, Reach::Recipient, moment);
            if open.is_some() {
                Verdict::Resent(Box::new(written))
            } else {
                Verdict::New(Box::new(written))
            }
        }
    }
}

fn invitation_of<'a>(facts: &Facts<'a>) -> &'a Invitation {
    facts
        .open
        .expect("facts hold the open invitation of every pair they hold")
}

/// Whom a send reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Recipient,
    Nobody,
}

/// Writes a send into both books. An invitation of this inviter that is open is sent again: same id, note and expiry
/// renewed. What the recipient did with it makes no difference to the inviter's book.
fn written(
    command: &Send,
    facts: &Facts,
    account: Account,
    mut pair: Pair,
    reach: Reach,
    moment: Moment,
) -> Written {
    let Moment { now, policy } = moment;
    let open = facts.pair.open_at(now).map(|_| invitation_of(facts));
    let mut changes = match facts.open {
        // What nobody noted yet is in the way of the new one.
        Some(past) if open.is_none() => run_out(past, facts, &account, moment),
        Some(_) | None => Changes::default(),
    };
    let mut account = changes.accounts.pop().unwrap_or(account);
    if open.is_none() {
        account.outstanding += 1;
    }
    let sent = Sent {
        inviter_id: command.inviter_id,
        id: open.map_or_else(|| ids::new(now, &command.entropy), |open| open.sent.id),
        recipient_id: command.recipient_id,
        note: command.note.clone(),
        lifecycle: Lifecycle::Pending,
        sent_at: now,
        expires_at: after(now, policy.open_for),
        closed_at: None,
    };
    let (received, emails) = match (open, reach) {
        (Some(open), Reach::Recipient) => renewed(&open.received, &sent, command, moment),
        (Some(open), Reach::Nobody) => (prolonged(&open.received, &sent, command, moment), false),
        (None, reach) => (first(&sent, command, reach, moment), reach == Reach::Recipient),
    };
    pair.open = Some(Open {
        id: sent.id,
        inviter_id: sent.inviter_id,
        until: sent.expires_at,
    });
    // Whoever declined and now invites has thought better of it.
    pair.from_mut(command.recipient_id).barred = false;
    let invitation = Invitation {
        sent: sent.clone(),
        received,
    };
    let kind = if open.is_some() {
        EventKind::Resent
    } else {
        EventKind::Sent
    };
    let event = Event {
        text: sent.note.clone(),
        number: invitation.received.reminders_to_come(),
        hidden: reach == Reach::Nobody,
        mails: emails,
        ..Event::of(kind, &invitation, now)
    };
    changes.accounts.push(account);
    changes.pair = Some(pair);
    changes.received.push(invitation.received);
    changes.sent.push(invitation.sent);
    changes.events.push(event);
    Written { changes, sent }
}

/// Notes that the pair's last invitation ran out, whoever of the two sent it.
fn run_out(invitation: &Invitation, facts: &Facts, account: &Account, moment: Moment) -> Changes {
    let is_own = invitation.sent.inviter_id == account.member_id;
    let inviter = if is_own { Some(account) } else { facts.theirs };
    let facts = due::Facts {
        invitation,
        pair: facts.pair,
        inviter: inviter.expect("facts hold the account of every inviter they hold"),
    };
    let mut changes = due::expired(&facts, moment).changes;
    if !is_own {
        // The account of the one who sends comes last.
        changes.accounts.push(account.clone());
    }
    changes
}

fn first(sent: &Sent, command: &Send, reach: Reach, moment: Moment) -> Received {
    Received {
        recipient_id: sent.recipient_id,
        id: sent.id,
        inviter_id: sent.inviter_id,
        note: sent.note.clone(),
        lifecycle: Lifecycle::Pending,
        folder: match reach {
            Reach::Recipient => Folder::Inbox,
            Reach::Nobody => Folder::Barred,
        },
        sequence: 1,
        sent_at: sent.sent_at,
        expires_at: sent.expires_at,
        closed_at: None,
        emailed_at: match reach {
            Reach::Recipient => sent.sent_at,
            Reach::Nobody => Timestamp::UNIX_EPOCH,
        },
        reminders: command.reminders,
        reminders_left: moment.policy.reminders_after.len(),
        replies: 0,
        due_at: None,
    }
    .scheduled(moment.now, moment.policy)
}

/// Back in the inbox, with the new text, and whether an initial email is due again.
fn renewed(before: &Received, sent: &Sent, command: &Send, moment: Moment) -> (Received, bool) {
    let emails = after(before.emailed_at, moment.policy.email_pause) <= moment.now;
    let received = Received {
        note: sent.note.clone(),
        folder: Folder::Inbox,
        sequence: before.sequence + 1,
        sent_at: sent.sent_at,
        expires_at: sent.expires_at,
        emailed_at: if emails { moment.now } else { before.emailed_at },
        reminders: command.reminders,
        ..before.clone()
    }
    .resent(before, moment.now, moment.policy);
    (received, emails)
}

/// As the recipient has it, but open and to be reminded of as the inviter believes: whether reminders can be stopped must
/// not depend on the folder.
fn prolonged(before: &Received, sent: &Sent, command: &Send, moment: Moment) -> Received {
    Received {
        sequence: before.sequence + 1,
        expires_at: sent.expires_at,
        reminders: command.reminders,
        ..before.clone()
    }
    .resent(before, moment.now, moment.policy)
}

#[cfg(test)]
mod tests;
