//! What callers ask for, validated.

use jiff::Timestamp;
use uuid::Uuid;

use super::{ids::Entropy, member::Member};

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
    pub client: std::sync::Arc<str>,
    /// Digest of the rpc and the request.
    pub fingerprint: [u8; 16],
}

/// What to do.
#[derive(Debug, Clone)]
pub enum Act {
    /// Invite somebody.
    Send(Send),
    /// Accept an invitation.
    Accept(Accept),
    /// Make members known.
    Upsert(Vec<Member>),
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

/// An invitation to accept.
#[derive(Debug, Clone, Copy)]
pub struct Accept {
    /// Who accepts.
    pub recipient_id: Uuid,
    /// Which.
    pub invitation_id: Uuid,
}

impl Command {
    /// The member who acts; commands of one member are decided in one place.
    pub fn actor(&self) -> Uuid {
        match &self.act {
            Act::Send(send) => send.inviter_id,
            Act::Accept(accept) => accept.recipient_id,
            Act::Upsert(members) => members.first().map_or(Uuid::nil(), |member| member.member_id),
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
