//! The first answer to a request, kept for its repetitions.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    command::{Act, Command, RequestKey},
    invitation::{Lifecycle, Received, Sent},
    member::Member,
    refusal::Refusal,
    transition::{Answer, Connected},
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

/// What was answered.
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
    /// Accepted.
    Accepted,
    /// Members stored.
    Upserted,
    /// Refused.
    Refused(Refusal),
}

impl Outcome {
    /// What has to be kept of an answer.
    pub fn of(answer: &Result<Answer, Refusal>) -> Self {
        match answer {
            Ok(Answer::Sent(sent)) => Self::Sent {
                id: sent.id,
                until: sent.expires_at,
            },
            Ok(Answer::Connected(_)) => Self::Connected,
            Ok(Answer::Accepted(_)) => Self::Accepted,
            Ok(Answer::Upserted(_)) => Self::Upserted,
            Err(refusal) => Self::Refused(*refusal),
        }
    }
}

impl StoredAnswer {
    /// The first answer again, from what is kept and what the repetition says. `accepted` is the invitation that an
    /// accept named; accepted ones do not change.
    pub fn replay(&self, command: &Command, accepted: Option<&Received>) -> Result<Answer, Refusal> {
        if command
            .request
            .as_ref()
            .is_some_and(|request| request.fingerprint != self.key.fingerprint)
        {
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
                accepted_at: None,
            })),
            (Outcome::Connected, Act::Send(send)) => Ok(Answer::Connected(Connected {
                inviter_id: send.recipient_id,
                recipient_id: send.inviter_id,
                at: self.decided_at,
            })),
            (Outcome::Accepted, Act::Accept(_)) => accepted
                .cloned()
                .map(Answer::Accepted)
                .ok_or(Refusal::InvitationNotFound),
            (Outcome::Upserted, Act::Upsert(members)) => {
                let stored = |member: &Member| Member {
                    updated_at: self.decided_at,
                    ..member.clone()
                };
                Ok(Answer::Upserted(members.iter().map(stored).collect()))
            }
            // The fingerprint covers the rpc, so an outcome of another act cannot match it.
            (Outcome::Sent { .. } | Outcome::Connected | Outcome::Accepted | Outcome::Upserted, _) => {
                Err(Refusal::RequestIdReused)
            }
        }
    }
}
