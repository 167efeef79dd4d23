//! An invitation, as it stands in the two books.

use jiff::Timestamp;
use shell::clock::after;
use uuid::Uuid;

use super::{ids::created_at, policy::Policy};

/// The fact that both members may know. An expired invitation is expired from its time on; that a worker notes it later
/// makes no difference to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Waits for an answer until it expires.
    Pending,
    /// The two are connected.
    Accepted,
    /// The inviter took it back.
    Withdrawn,
    /// Its time ran out.
    Expired,
    /// One of the two was erased.
    Void,
}

/// The fact that only the recipient may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Not put aside.
    Inbox,
    /// Ignored.
    Archived,
    /// Ignored, then declined.
    Declined,
    /// It only looks sent: the recipient never sees it.
    Barred,
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
    /// The last send that reached the recipient.
    pub sent_at: Timestamp,
    /// When it stops being open.
    pub expires_at: Timestamp,
    /// When it stopped being open by an act.
    pub closed_at: Option<Timestamp>,
    /// The last initial email owed.
    pub emailed_at: Timestamp,
    /// Whether the inviter allows reminders.
    pub reminders: bool,
    /// How many reminders may still go. An ignore and a reply leave none.
    pub reminders_left: usize,
    /// How many replies there are.
    pub replies: usize,
    /// When a worker has to look at it: the next reminder or the expiry; none once it is closed.
    pub due_at: Option<Timestamp>,
}

/// An open invitation in one of a recipient's folders, as much of it as a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The invitation.
    pub id: Uuid,
    /// Who invites.
    pub inviter_id: Uuid,
    /// The inviter's text.
    pub note: String,
    /// Counts the transitions, from 1.
    pub sequence: i64,
    /// The last send that reached the recipient.
    pub sent_at: Timestamp,
    /// When it stops being open.
    pub expires_at: Timestamp,
    /// How many replies there are.
    pub replies: usize,
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
    /// When it stopped being open by an act.
    pub closed_at: Option<Timestamp>,
}

/// An invitation in both books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The inviter's row.
    pub sent: Sent,
    /// The recipient's row.
    pub received: Received,
}

/// Where an invitation stands for the rules: the columns of the contract's table of acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Open, in the inbox.
    Inbox,
    /// Open, ignored.
    Archived,
    /// Open, declined.
    Declined,
    /// Open, but the recipient never saw it.
    Barred,
    /// Accepted.
    Accepted,
    /// Withdrawn.
    Withdrawn,
    /// Its time ran out, whatever the folder.
    Expired,
    /// One of the two was erased.
    Void,
}

impl Invitation {
    /// Where it stands. `is_open` is whether the pair says that it is this one that is open: clocks of two processes
    /// differ.
    pub fn standing(&self, is_open: bool) -> Standing {
        match (self.received.lifecycle, self.received.folder) {
            (Lifecycle::Pending | Lifecycle::Expired, Folder::Barred) => Standing::Barred,
            (Lifecycle::Pending, _) if !is_open => Standing::Expired,
            (Lifecycle::Pending, Folder::Inbox) => Standing::Inbox,
            (Lifecycle::Pending, Folder::Archived) => Standing::Archived,
            (Lifecycle::Pending, Folder::Declined) => Standing::Declined,
            (Lifecycle::Accepted, _) => Standing::Accepted,
            (Lifecycle::Withdrawn, _) => Standing::Withdrawn,
            (Lifecycle::Expired, _) => Standing::Expired,
            (Lifecycle::Void, _) => Standing::Void,
        }
    }

    /// The invitation closed, in both books.
    pub fn closed(&self, lifecycle: Lifecycle, now: Timestamp) -> Self {
        Self {
            sent: Sent {
                lifecycle,
                closed_at: Some(now),
                ..self.sent.clone()
            },
            received: Received {
                lifecycle,
                closed_at: Some(now),
                sequence: self.received.sequence + 1,
                due_at: None,
                ..self.received.clone()
            },
        }
    }

    /// Whether the recipient never saw it.
    pub fn is_hidden(&self) -> bool {
        self.received.folder == Folder::Barred
    }
}

/// What the inviter sees of where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentState {
    /// Open.
    Pending,
    /// Connected.
    Accepted,
    /// Taken back.
    Withdrawn,
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
    /// Open, declined.
    Declined,
    /// Connected.
    Accepted,
    /// Its time ran out.
    Expired,
}

impl Sent {
    /// Where it stands at `now`; none where it has vanished.
    pub fn state(&self, now: Timestamp) -> Option<SentState> {
        match self.lifecycle {
            Lifecycle::Pending if self.expires_at <= now => Some(SentState::Expired),
            Lifecycle::Pending => Some(SentState::Pending),
            Lifecycle::Accepted => Some(SentState::Accepted),
            Lifecycle::Withdrawn => Some(SentState::Withdrawn),
            Lifecycle::Expired => Some(SentState::Expired),
            Lifecycle::Void => None,
        }
    }
}

impl Received {
    /// Where it stands at `now`; none where it has vanished or was never seen.
    pub fn state(&self, now: Timestamp) -> Option<ReceivedState> {
        match (self.lifecycle, self.folder) {
            (Lifecycle::Withdrawn | Lifecycle::Void, _) => None,
            (Lifecycle::Accepted, _) => Some(ReceivedState::Accepted),
            (Lifecycle::Pending | Lifecycle::Expired, Folder::Barred) => None,
            (Lifecycle::Expired, _) => Some(ReceivedState::Expired),
            (Lifecycle::Pending, _) if self.expires_at <= now => Some(ReceivedState::Expired),
            (Lifecycle::Pending, Folder::Inbox) => Some(ReceivedState::Pending),
            (Lifecycle::Pending, Folder::Archived) => Some(ReceivedState::Ignored),
            (Lifecycle::Pending, Folder::Declined) => Some(ReceivedState::Declined),
        }
    }

    /// How many reminders may go at most.
    pub fn reminders_to_come(&self) -> usize {
        if self.reminders && self.folder == Folder::Inbox {
            self.reminders_left
        } else {
            0
        }
    }

    /// Whether a reminder may go at all.
    pub fn can_be_reminded(&self) -> bool {
        self.reminders_to_come() > 0
    }

    /// When the next reminder is due, where one may go.
    pub fn reminder_at(&self, policy: &Policy) -> Option<Timestamp> {
        let lengths = &policy.reminders_after;
        let next = lengths.len().checked_sub(self.reminders_left)?;
        let length = lengths.get(next).filter(|_| self.can_be_reminded())?;
        Some(after(created_at(self.id), *length))
    }

    /// Lets go of reminders whose time has passed by `now`, and says when a worker has to look next.
    pub fn scheduled(mut self, now: Timestamp, policy: &Policy) -> Self {
        let first = created_at(self.id);
        let lengths = policy.reminders_after.iter();
        let to_come = lengths.filter(|length| after(first, **length) > now).count();
        self.reminders_left = self.reminders_left.min(to_come);
        let next = self.reminder_at(policy).unwrap_or(self.expires_at);
        self.due_at = Some(next.min(self.expires_at));
        self
    }

    /// After a resend: what is planned stays as it is, also what a late reminder before it put off. One that was due already
    /// is dropped, since the resend has an email of its own; as is what passed while there were to be none.
    pub fn resent(self, before: &Self, now: Timestamp, policy: &Policy) -> Self {
        let planned = before.due_at.is_some_and(|at| at > now && at < before.expires_at);
        if planned && before.can_be_reminded() && self.can_be_reminded() {
            self
        } else {
            self.scheduled(now, policy)
        }
    }

    /// Without any more reminders.
    pub fn without_reminders(mut self) -> Self {
        self.reminders_left = 0;
        self.due_at = Some(self.expires_at);
        self
    }
}
