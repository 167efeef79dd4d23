//! Members, as the calling product tells us of them.

use jiff::Timestamp;
use uuid::Uuid;

/// Somebody who can invite and be invited. Its texts are validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The calling product's id.
    pub member_id: Uuid,
    /// Display name.
    pub name: String,
    /// Email address, its domain in A-labels.
    pub email: String,
    /// BCP 47 tag.
    pub locale: String,
    /// IANA time zone.
    pub time_zone: String,
    /// Who may invite the member.
    pub invitation_policy: InvitationPolicy,
    /// When the row was written.
    pub updated_at: Timestamp,
}

/// Who may invite a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationPolicy {
    /// Everyone.
    Everyone,
    /// Those who give the member's email address.
    KnowsMyEmail,
    /// Nobody. The inviter cannot tell it from a decline.
    Nobody,
}

/// What a send judges of its recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// Who may invite them.
    pub policy: InvitationPolicy,
    /// Their address.
    pub email: String,
}

impl From<&Member> for Addressee {
    fn from(member: &Member) -> Self {
        Self {
            policy: member.invitation_policy,
            email: member.email.clone(),
        }
    }
}
