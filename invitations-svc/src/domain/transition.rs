//! What a rule answers with: rows to write, an event that owes emails, an answer.

use jiff::Timestamp;
use uuid::Uuid;

use super::{account::Account, invitation::Received, member::Member, pair::Pair, refusal::Refusal};

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
}

/// Rows to write, whole, and the event they make.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Quota spent.
    pub account: Option<Account>,
    /// The pair's new relation.
    pub pair: Option<Pair>,
    /// The invitation in the recipient's book.
    pub received: Option<Received>,
    /// Whether the inviter's book shows the change, too.
    pub inviter_sees: bool,
    /// Two members who are now connected.
    pub connected: Option<Connected>,
    /// Members told of.
    pub members: Vec<Member>,
    /// The transition, where it owes emails.
    pub event: Option<Event>,
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

/// A transition that owes emails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The invitation.
    pub invitation_id: Uuid,
    /// The invitation's sequence number after it.
    pub sequence: i64,
    /// Who invites.
    pub inviter_id: Uuid,
    /// Who is invited.
    pub recipient_id: Uuid,
    /// The inviter's text at that moment, where an email shows it; else empty.
    pub note: String,
    /// When.
    pub happened_at: Timestamp,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Sent or sent again: the initial email to the recipient.
    Sent,
    /// Accepted: open emails end, the acceptance email to the inviter.
    Accepted,
}

/// What a granted command tells its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The invitation is sent, or sent again.
    Sent(super::invitation::Sent),
    /// The inviter's send met an open invitation of the recipient.
    Connected(Connected),
    /// The invitation is accepted.
    Accepted(Received),
    /// The members as stored.
    Upserted(Vec<Member>),
}
