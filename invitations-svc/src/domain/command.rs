//! What callers ask for, validated.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use uuid::Uuid;

use super::{account::RestrictionKind, ids::Entropy, member::Member};

/// One mutation.
#[derive(Debug, Clone)]
pub struct Command {
    /// What makes it repeatable.
    pub request: Option<RequestKey>,
    /// What to do.
    pub act: Act,
}

/// A client's name for a request, and what the request said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The client's UUID.
    pub request_id: Uuid,
    /// The client that it belongs to.
    pub client: Arc<str>,
    /// Digest of the rpc and the request.
    pub fingerprint: [u8; 16],
}

/// What to do.
#[derive(Debug, Clone)]
pub enum Act {
    /// Invite somebody.
    Send(Send),
    /// Answer an invitation as its recipient.
    Answer(Answering),
    /// Take an invitation back, or its reminders, as its inviter.
    Recall(Recall),
    /// End a connection.
    Disconnect(Disconnect),
    /// Do what is due with an invitation: remind, or note that its time ran out.
    Due(Received),
    /// End an open invitation of an erased member.
    Void(Received),
    /// Make members known.
    Upsert(Vec<Member>),
    /// Forget a member.
    Erase(Erase),
    /// Something that only operators may.
    Operate(Operation),
}

/// An invitation to send.
#[derive(Debug, Clone)]
pub struct Send {
    /// Who invites.
    pub inviter_id: Uuid,
    /// Whom; not the inviter.
    pub recipient_id: Uuid,
    /// The inviter's text; may be empty.
    pub note: String,
    /// The recipient's address, as the inviter gave it.
    pub recipient_email: Option<String>,
    /// Whether the recipient may be reminded.
    pub reminders: bool,
    /// For the id, where it becomes a new invitation.
    pub entropy: Entropy,
}

/// An invitation of a recipient's book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Received {
    /// Whose book.
    pub recipient_id: Uuid,
    /// Which invitation.
    pub invitation_id: Uuid,
}

/// An invitation to answer.
#[derive(Debug, Clone)]
pub struct Answering {
    /// Which.
    pub target: Received,
    /// The sequence number of the state that the member saw, where it matters to them.
    pub seen: Option<i64>,
    /// How.
    pub answer: Answer,
}

/// What a recipient may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Connect.
    Accept,
    /// Write back.
    Reply(String),
    /// Put aside.
    Ignore,
    /// Put back into the inbox.
    Restore,
    /// Say that one does not know the inviter.
    Decline,
}

/// An invitation to recall.
#[derive(Debug, Clone, Copy)]
pub struct Recall {
    /// Who invited.
    pub inviter_id: Uuid,
    /// Which.
    pub invitation_id: Uuid,
    /// How much of it.
    pub what: Recalled,
}

/// What an inviter takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recalled {
    /// All of it.
    Invitation,
    /// Its reminders.
    Reminders,
}

/// A connection to end.
#[derive(Debug, Clone)]
pub struct Disconnect {
    /// Who ends it.
    pub member_id: Uuid,
    /// The other end; not the member.
    pub other_id: Uuid,
    /// Why.
    pub because: Ending,
    /// For the id of the transition.
    pub entropy: Entropy,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The member wants it.
    Removed,
    /// One of the two was erased.
    Erased,
}

/// A member to forget.
#[derive(Debug, Clone)]
pub struct Erase {
    /// Whom.
    pub member_id: Uuid,
    /// The client that asks for it.
    pub by: Arc<str>,
    /// For the id of the audit entry.
    pub entropy: Entropy,
}

/// Something that only operators may.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Whose account.
    pub member_id: Uuid,
    /// The client that asks for it.
    pub by: Arc<str>,
    /// Why.
    pub note: String,
    /// For the id of the audit entry.
    pub entropy: Entropy,
    /// What.
    pub what: Operate,
}

/// What operators do.
#[derive(Debug, Clone, Copy)]
pub enum Operate {
    /// Grant sends beyond the quota.
    Grant {
        /// How many.
        count: usize,
    },
    /// Restrict by hand.
    Impose {
        /// How.
        kind: RestrictionKind,
        /// For how long; none means until it is lifted.
        length: Option<Duration>,
    },
    /// Lift the restriction.
    Lift {
        /// Whether strikes and ladder begin anew.
        forget_strikes: bool,
    },
    /// Lift what a decline and a withdrawal left between two members.
    LiftBan {
        /// The member who declined or was invited; not the account's.
        recipient_id: Uuid,
    },
}

impl Command {
    /// The member who acts; commands of one member are decided in one place.
    pub fn actor(&self) -> Uuid {
        match &self.act {
            Act::Send(send) => send.inviter_id,
            Act::Answer(answering) => answering.target.recipient_id,
            Act::Recall(recall) => recall.inviter_id,
            Act::Disconnect(disconnect) => disconnect.member_id,
            Act::Due(received) | Act::Void(received) => received.recipient_id,
            Act::Upsert(members) => members.first().map_or(Uuid::nil(), |member| member.member_id),
            Act::Erase(erase) => erase.member_id,
            Act::Operate(operation) => operation.member_id,
        }
    }

    /// The other member, where the command names one.
    pub fn other(&self) -> Option<Uuid> {
        match &self.act {
            Act::Send(send) => Some(send.recipient_id),
            Act::Disconnect(disconnect) => Some(disconnect.other_id),
            Act::Operate(operation) => match operation.what {
                Operate::LiftBan { recipient_id } => Some(recipient_id),
                Operate::Grant { .. } | Operate::Impose { .. } | Operate::Lift { .. } => None,
            },
            Act::Answer(_) | Act::Recall(_) | Act::Due(_) | Act::Void(_) | Act::Upsert(_) | Act::Erase(_) => {
                None
            }
        }
    }

    /// The invitation that the command names, and in whose book.
    pub fn named(&self) -> Option<Named> {
        match &self.act {
            Act::Answer(answering) => Some(Named::Received(answering.target.invitation_id)),
            Act::Due(received) | Act::Void(received) => Some(Named::Received(received.invitation_id)),
            Act::Recall(recall) => Some(Named::Sent(recall.invitation_id)),
            Act::Send(_) | Act::Disconnect(_) | Act::Upsert(_) | Act::Erase(_) | Act::Operate(_) => None,
        }
    }
}

/// An invitation named by the member who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// In the book of those they received.
    Received(Uuid),
    /// In the book of those they sent.
    Sent(Uuid),
}

impl Named {
    /// The invitation.
    pub fn id(self) -> Uuid {
        match self {
            Self::Received(id) | Self::Sent(id) => id,
        }
    }
}

/// When a command is decided, and by what.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The time that goes into the rows.
    pub now: Timestamp,
    /// The numbers to judge by.
    pub policy: &'a super::policy::Policy,
}
