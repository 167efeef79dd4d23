//! An invitation, as it stands in the recipient's book, and what of it the inviter's book shows.

use jiff::Timestamp;
use uuid::Uuid;

/// The fact that both members may know. Expiry is no stored state: it follows from the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Waits for an answer until it expires.
    Pending,
    /// The two are connected.
    Accepted,
}

/// The fact that only the recipient may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Not put aside.
    Inbox,
    /// Ignored.
    Archived,
}

/// A row of the recipient's book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Who was invited.
    pub recipient_id: Uuid,
    /// The invitation.
    pub id: Uuid,
    /// Who invites.
    pub inviter_id: Uuid,
    /// The inviter's text.
    pub note: String,
    /// The shared fact.
    pub lifecycle: Lifecycle,
    /// The recipient's own fact.
    pub folder: Folder,
    /// Counts the transitions, from 1; emails carry it.
    pub sequence: i64,
    /// The last send.
    pub sent_at: Timestamp,
    /// When it stops being open.
    pub expires_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Option<Timestamp>,
    /// The last initial email owed.
    pub emailed_at: Timestamp,
    /// Whether the inviter allows reminders.
    pub reminders: bool,
}

/// A row of the inviter's book. It has no field that could carry a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Who invites.
    pub inviter_id: Uuid,
    /// The invitation.
    pub id: Uuid,
    /// Who was invited.
    pub recipient_id: Uuid,
    /// The inviter's text.
    pub note: String,
    /// The shared fact.
    pub lifecycle: Lifecycle,
    /// The last send.
    pub sent_at: Timestamp,
    /// When it stops being open.
    pub expires_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Option<Timestamp>,
}

impl Received {
    /// What the inviter may see.
    pub fn for_inviter(&self) -> Sent {
        Sent {
            inviter_id: self.inviter_id,
            id: self.id,
            recipient_id: self.recipient_id,
            note: self.note.clone(),
            lifecycle: self.lifecycle,
            sent_at: self.sent_at,
            expires_at: self.expires_at,
            accepted_at: self.accepted_at,
        }
    }
}

/// What the inviter sees of where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentState {
    /// Open.
    Pending,
    /// Connected.
    Accepted,
    /// Its time ran out.
    Expired,
}

/// What the recipient sees of where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedState {
    /// Open, in the inbox.
    Pending,
    /// Open, put aside.
    Ignored,
    /// Connected.
    Accepted,
    /// Its time ran out.
    Expired,
}

impl Sent {
    /// Where it stands at `now`.
    pub fn state(&self, now: Timestamp) -> SentState {
        match self.lifecycle {
            Lifecycle::Accepted => SentState::Accepted,
            Lifecycle::Pending if self.expires_at <= now => SentState::Expired,
            Lifecycle::Pending => SentState::Pending,
        }
    }
}

impl Received {
    /// Where it stands at `now`.
    pub fn state(&self, now: Timestamp) -> ReceivedState {
        match (self.lifecycle, self.folder) {
            (Lifecycle::Accepted, _) => ReceivedState::Accepted,
            (Lifecycle::Pending, _) if self.expires_at <= now => ReceivedState::Expired,
            (Lifecycle::Pending, Folder::Inbox) => ReceivedState::Pending,
            (Lifecycle::Pending, Folder::Archived) => ReceivedState::Ignored,
        }
    }
}
