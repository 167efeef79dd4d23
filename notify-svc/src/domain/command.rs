//! What the service is told, and what it answers.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    email::{Letter, State},
    fence::Scope,
    fingerprint::Fingerprint,
    kind::Kind,
};

/// One command of a call.
#[derive(Debug)]
pub(crate) enum Command {
    Queue(Box<Queue>),
    Cancel(Cancel),
}

/// Queue one email.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) key: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) invitation_id: Uuid,
    pub(crate) sequence: i64,
    /// The reader.
    pub(crate) member_id: Uuid,
    /// The member whom the email tells of.
    pub(crate) other_id: Uuid,
    /// Members whom it names beside these two.
    pub(crate) named_ids: Vec<Uuid>,
    pub(crate) event_time: Timestamp,
    pub(crate) letter: Letter,
}

impl Queue {
    pub(crate) fn kind(&self) -> Kind {
        self.letter.content.kind()
    }
}

/// Stop what is open of an invitation in a scope below a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cancel {
    pub(crate) invitation_id: Uuid,
    pub(crate) sequence: i64,
    pub(crate) scope: Scope,
}

/// The answer to one command: how things stand when the whole call is committed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Queued { email_id: Uuid, state: State },
    Cancelled(Counts),
}

/// How many of an invitation's emails there are in a cancel's scope and below its sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// They never start.
    pub(crate) cancelled: i64,
    pub(crate) sent: i64,
    /// The mail server may get them right now, or may have got them.
    pub(crate) in_flight: i64,
}

/// Why a whole call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The command at this place names a key that belongs to another email.
    #[error("commands[{index}].queue.key belongs to another email")]
    KeyReused { index: usize },
}
