//! What a rule answers with: rows to write, events, an answer.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    account::Account,
    command::Disconnect,
    invitation::{Invitation, Received, Sent},
    member::Member,
    pair::Pair,
    refusal::Refusal,
};

/// The outcome of one command.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to write, also beside a refusal.
    pub changes: Changes,
    /// What to tell the caller.
    pub answer: Result<Answer, Refusal>,
}

impl Decision {
    /// Refused, with nothing to write.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            changes: Changes::default(),
            answer: Err(refusal),
        }
    }

    /// In effect already.
    pub fn unchanged(answer: Answer) -> Self {
        Self {
            changes: Changes::default(),
            answer: Ok(answer),
        }
    }
}

/// Rows to write, whole, and the events they make. What changes anything between two members writes their pair, whose
/// version orders it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Accounts that spend, are given or are restricted.
    pub accounts: Vec<Account>,
    /// The pair's new relation.
    pub pair: Option<Pair>,
    /// Rows of recipients' books.
    pub received: Vec<Received>,
    /// Rows of inviters' books.
    pub sent: Vec<Sent>,
    /// Two members who are now connected.
    pub connected: Option<Connected>,
    /// Two members who no longer are.
    pub disconnected: Option<Disconnected>,
    /// A reply to store.
    pub reply: Option<Reply>,
    /// Members told of.
    pub members: Vec<Member>,
    /// A member to forget.
    pub erased: Option<Uuid>,
    /// What operators will want to know.
    pub audit: Option<AuditEntry>,
    /// What happened.
    pub events: Vec<Event>,
}

impl Changes {
    /// An invitation that is written in both books.
    pub fn of(invitation: Invitation, pair: Pair) -> Self {
        Self {
            received: vec![invitation.received],
            sent: vec![invitation.sent],
            pair: Some(pair),
            ..Self::default()
        }
    }
}

/// Two members who were connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connected {
    /// Who invited.
    pub inviter_id: Uuid,
    /// Who accepted.
    pub recipient_id: Uuid,
    /// Since when.
    pub at: Timestamp,
}

/// Two members whose connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnected {
    /// Who ended it.
    pub member_id: Uuid,
    /// The other end.
    pub other_id: Uuid,
}

impl From<&Disconnect> for Disconnected {
    fn from(disconnect: &Disconnect) -> Self {
        Self {
            member_id: disconnect.member_id,
            other_id: disconnect.other_id,
        }
    }
}

/// What a recipient wrote to an inviter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Who reads it.
    pub inviter_id: Uuid,
    /// To which invitation.
    pub invitation_id: Uuid,
    /// Which reply it is, from 1.
    pub number: usize,
    /// The text.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// What was done to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose account.
    pub member_id: Uuid,
    /// UUIDv7 of the entry.
    pub id: Uuid,
    /// The client that asked for it, or "ladder".
    pub actor: Arc<str>,
    /// What.
    pub action: AuditAction,
    /// What exactly, in words.
    pub detail: String,
    /// Why, as the operator wrote.
    pub note: String,
}

/// What was done to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    /// Sends were granted.
    QuotaGranted,
    /// The member was restricted.
    Restricted,
    /// A restriction was lifted.
    RestrictionLifted,
    /// A ban was lifted.
    BanLifted,
    /// The member was erased.
    Erased,
}

/// A transition: it may owe emails, and services may follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The invitation; where a connection ended, an id of the event itself.
    pub invitation_id: Uuid,
    /// The invitation's sequence number after it.
    pub sequence: i64,
    /// Who invites.
    pub inviter_id: Uuid,
    /// Who is invited.
    pub recipient_id: Uuid,
    /// The note or reply that an email shows; else empty.
    pub text: String,
    /// What its email tells: of a reminder which one it is, of a send how many reminders may follow; else 0.
    pub number: usize,
    /// Whether the recipient must not learn of it.
    pub hidden: bool,
    /// Whether notify-svc has to hear of it.
    pub mails: bool,
    /// When.
    pub happened_at: Timestamp,
}

impl Event {
    /// What happened to an invitation, as it stands afterwards.
    pub fn of(kind: EventKind, invitation: &Invitation, now: Timestamp) -> Self {
        Self {
            kind,
            invitation_id: invitation.received.id,
            sequence: invitation.received.sequence,
            inviter_id: invitation.received.inviter_id,
            recipient_id: invitation.received.recipient_id,
            text: String::new(),
            number: 0,
            hidden: invitation.is_hidden(),
            mails: kind.mails(),
            happened_at: now,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A new invitation: the initial email to the recipient.
    Sent,
    /// Sent again: the initial email, unless one went a short while ago.
    Resent,
    /// Accepted: open emails end, the acceptance email to the inviter.
    Accepted,
    /// Replied: what asks the recipient ends, the reply email to the inviter.
    Replied,
    /// Put aside: what asks the recipient ends.
    Ignored,
    /// Put back.
    Restored,
    /// Declined.
    Declined,
    /// Taken back: open emails end.
    Withdrawn,
    /// Its time ran out: open emails end.
    Expired,
    /// One of the two was erased: open emails end.
    Voided,
    /// A connection ended.
    Disconnected,
    /// A reminder is due: the reminder email to the recipient.
    Reminded,
    /// The inviter wants no reminders: open ones end.
    RemindersStopped,
}

impl EventKind {
    /// Whether notify-svc has to hear of it, as a rule.
    pub fn mails(self) -> bool {
        match self {
            Self::Sent
            | Self::Resent
            | Self::Accepted
            | Self::Replied
            | Self::Ignored
            | Self::Withdrawn
            | Self::Expired
            | Self::Voided
            | Self::Reminded
            | Self::RemindersStopped => true,
            Self::Restored | Self::Declined | Self::Disconnected => false,
        }
    }

    /// Whether it is a transition that services follow.
    pub fn is_followed(self) -> bool {
        match self {
            Self::Sent
            | Self::Resent
            | Self::Accepted
            | Self::Replied
            | Self::Ignored
            | Self::Restored
            | Self::Declined
            | Self::Withdrawn
            | Self::Expired
            | Self::Voided
            | Self::Disconnected => true,
            Self::Reminded | Self::RemindersStopped => false,
        }
    }
}

/// What a granted command tells its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The invitation as the inviter sees it.
    Sent(Sent),
    /// The inviter's send met an open invitation of the recipient.
    Connected(Connected),
    /// The invitation as the recipient sees it.
    Received(Received),
    /// The invitation as the recipient sees it, and the reply.
    Replied(Received, Reply),
    /// The members as stored.
    Upserted(Vec<Member>),
    /// The account as it stands.
    Account(Account),
    /// Done, with nothing to show.
    Done,
}
