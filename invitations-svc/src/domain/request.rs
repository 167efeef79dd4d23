//! The first answer to a request, kept for its repetitions.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    account::Account,
    command::{Act, Answer as How, Command, Operate, RequestKey},
    invitation::{Folder, Invitation, Lifecycle, Received, Sent},
    member::Member,
    refusal::Refusal,
    transition::{Answer, Connected, Reply},
};

/// A stored answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Which request it answers.
    pub key: RequestKey,
    /// What was answered; what the request itself said is not kept.
    pub outcome: Outcome,
    /// When.
    pub decided_at: Timestamp,
}

/// What was answered. Texts are not kept, so that an erased member's are nowhere: a repetition shows the note as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Sent, or sent again.
    Sent {
        /// The invitation.
        id: Uuid,
        /// When it expires.
        until: Timestamp,
    },
    /// The send connected the two.
    Connected,
    /// The invitation as one side saw it.
    Invitation(Snapshot),
    /// Members stored.
    Upserted,
    /// The account, or nothing to show.
    Done,
    /// Refused.
    Refused(Refusal),
}

/// An invitation at a moment, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// The shared fact.
    pub lifecycle: Lifecycle,
    /// The recipient's fact; the inbox in the inviter's answers.
    pub folder: Folder,
    /// The sequence number; 0 in the inviter's answers.
    pub sequence: i64,
    /// How many replies there were.
    pub replies: usize,
    /// The last send.
    pub sent_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it stopped being open by an act.
    pub closed_at: Option<Timestamp>,
}

impl Outcome {
    /// What has to be kept of an answer to `command`.
    pub fn of(command: &Command, answer: &Result<Answer, Refusal>) -> Self {
        match (answer, &command.act) {
            (Ok(Answer::Sent(sent)), Act::Send(_)) => Self::Sent {
                id: sent.id,
                until: sent.expires_at,
            },
            (Ok(Answer::Sent(sent)), _) => Self::Invitation(Snapshot::sent(sent)),
            (Ok(Answer::Received(received) | Answer::Replied(received, _)), _) => {
                Self::Invitation(Snapshot::received(received))
            }
            (Ok(Answer::Connected(_)), _) => Self::Connected,
            (Ok(Answer::Upserted(_)), _) => Self::Upserted,
            (Ok(Answer::Account(_) | Answer::Done), _) => Self::Done,
            (Err(refusal), _) => Self::Refused(*refusal),
        }
    }
}

impl Snapshot {
    fn sent(sent: &Sent) -> Self {
        Self {
            lifecycle: sent.lifecycle,
            folder: Folder::Inbox,
            sequence: 0,
            replies: 0,
            sent_at: sent.sent_at,
            expires_at: sent.expires_at,
            closed_at: sent.closed_at,
        }
    }

    fn received(received: &Received) -> Self {
        Self {
            lifecycle: received.lifecycle,
            folder: received.folder,
            sequence: received.sequence,
            replies: received.replies,
            sent_at: received.sent_at,
            expires_at: received.expires_at,
            closed_at: received.closed_at,
        }
    }

    fn in_sent(self, row: &Sent) -> Sent {
        Sent {
            lifecycle: self.lifecycle,
            sent_at: self.sent_at,
            expires_at: self.expires_at,
            closed_at: self.closed_at,
            ..row.clone()
        }
    }

    fn in_received(self, row: &Received) -> Received {
        Received {
            lifecycle: self.lifecycle,
            folder: self.folder,
            sequence: self.sequence,
            replies: self.replies,
            sent_at: self.sent_at,
            expires_at: self.expires_at,
            closed_at: self.closed_at,
            ..row.clone()
        }
    }
}

impl StoredAnswer {
    /// The first answer again, from what is kept, what the repetition says, and the rows that it names as they are now.
    pub fn replay(
        &self,
        command: &Command,
        named: Option<&Invitation>,
        account: Option<&Account>,
    ) -> Result<Answer, Refusal> {
        let is_same = |request: &RequestKey| request.fingerprint == self.key.fingerprint;
        if !command.request.as_ref().is_some_and(is_same) {
            return Err(Refusal::RequestIdReused);
        }
        match (self.outcome, &command.act) {
            (Outcome::Refused(refusal), _) => Err(refusal),
            (Outcome::Sent { id, until }, Act::Send(send)) => Ok(Answer::Sent(Sent {
                inviter_id: send.inviter_id,
                id,
                recipient_id: send.recipient_id,
                note: send.note.clone(),
                lifecycle: Lifecycle::Pending,
                sent_at: self.decided_at,
                expires_at: until,
                closed_at: None,
            })),
            (Outcome::Connected, Act::Send(send)) => Ok(Answer::Connected(Connected {
                inviter_id: send.recipient_id,
                recipient_id: send.inviter_id,
                at: self.decided_at,
            })),
            (Outcome::Invitation(snapshot), Act::Answer(answering)) => {
                let row = &named.ok_or(Refusal::InvitationNotFound)?.received;
                let received = snapshot.in_received(row);
                Ok(match &answering.answer {
                    How::Reply(text) => {
                        let reply = Reply {
                            inviter_id: row.inviter_id,
                            invitation_id: row.id,
                            number: snapshot.replies,
                            text: text.clone(),
                            at: self.decided_at,
                        };
                        Answer::Replied(received, reply)
                    }
                    How::Accept | How::Ignore | How::Restore | How::Decline => Answer::Received(received),
                })
            }
            (Outcome::Invitation(snapshot), Act::Recall(_)) => {
                let row = &named.ok_or(Refusal::InvitationNotFound)?.sent;
                Ok(Answer::Sent(snapshot.in_sent(row)))
            }
            (Outcome::Upserted, Act::Upsert(members)) => {
                let stored = |member: &Member| Member {
                    updated_at: self.decided_at,
                    ..member.clone()
                };
                Ok(Answer::Upserted(members.iter().map(stored).collect()))
            }
            (Outcome::Done, Act::Operate(operation)) => match operation.what {
                Operate::Grant { .. } | Operate::Impose { .. } | Operate::Lift { .. } => account
                    .cloned()
                    .map(Answer::Account)
                    .ok_or(Refusal::MemberNotFound),
                Operate::LiftBan { .. } => Ok(Answer::Done),
            },
            (Outcome::Done, Act::Disconnect(_) | Act::Erase(_)) => Ok(Answer::Done),
            // The fingerprint covers the rpc, so an outcome of another act cannot match it.
            (
                Outcome::Sent { .. }
                | Outcome::Connected
                | Outcome::Invitation(_)
                | Outcome::Upserted
                | Outcome::Done,
                _,
            ) => Err(Refusal::RequestIdReused),
        }
    }
}

#[cfg(test)]
mod tests;
