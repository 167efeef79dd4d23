//! Requests that are understood and not granted.

/// Why a request is refused. No variant carries a number that a member must not learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The same client used the request id for another request.
    #[error("request_id was used for another request; use a new UUID for a new request")]
    RequestIdReused,
    /// A member is unknown.
    #[error("no such member; UpsertMembers makes members known")]
    MemberNotFound,
    /// The two are connected.
    #[error("the two members are connected already")]
    AlreadyConnected,
    /// The inviter may not invite at present.
    #[error("the inviter cannot invite at present")]
    InvitingRestricted,
    /// The recipient's address is needed, and was missing or wrong.
    #[error("this invitation needs the recipient's email address in recipient_email")]
    EmailRequired,
    /// The inviter sent to this recipient too often.
    #[error("this member was invited recently; invite again later")]
    InvitationAlreadySent,
    /// The inviter's quota is spent. Which limit is not said.
    #[error("the inviter cannot send more invitations at present")]
    InvitationLimitReached,
    /// What the recipient hides stands against it. Which of the causes is not said.
    #[error("the inviter cannot invite this member")]
    CannotInviteMember,
    /// No such invitation in the acting member's book.
    #[error("the acting member has no such invitation")]
    InvitationNotFound,
    /// The invitation's time ran out.
    #[error("the invitation has expired; its inviter can send it again")]
    InvitationExpired,
    /// The acting recipient declined the invitation.
    #[error("the acting member declined this invitation; inviting its inviter connects the two")]
    InvitationDeclined,
    /// The invitation is accepted or withdrawn.
    #[error("the invitation is no longer open")]
    InvitationClosed,
    /// Only ignored invitations can be declined.
    #[error("only an ignored invitation can be declined; ignore it first")]
    IgnoreFirst,
    /// One of the two has as many connections as a member may.
    #[error("one of the two members has as many connections as a member may have")]
    ConnectionLimitReached,
    /// The recipient replied as often as one may.
    #[error("this invitation has as many replies as one may have")]
    ReplyLimitReached,
    /// The invitation has changed since the member looked.
    #[error("the invitation has changed since this etag was read; read it again")]
    EtagMismatch,
    /// The two are not connected.
    #[error("the two members are not connected")]
    ConnectionNotFound,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::RequestIdReused,
        Self::MemberNotFound,
        Self::AlreadyConnected,
        Self::EmailRequired,
        Self::InvitationAlreadySent,
        Self::InvitationLimitReached,
        Self::InvitationNotFound,
        Self::InvitationExpired,
        Self::ConnectionNotFound,
        Self::InvitingRestricted,
        Self::CannotInviteMember,
        Self::InvitationDeclined,
        Self::InvitationClosed,
        Self::IgnoreFirst,
        Self::ConnectionLimitReached,
        Self::ReplyLimitReached,
        Self::EtagMismatch,
    ];

    /// The number under which a stored answer keeps the refusal.
    pub fn code(self) -> i16 {
        match self {
            Self::RequestIdReused => 1,
            Self::MemberNotFound => 2,
            Self::AlreadyConnected => 3,
            Self::EmailRequired => 4,
            Self::InvitationAlreadySent => 5,
            Self::InvitationLimitReached => 6,
            Self::InvitationNotFound => 7,
            Self::InvitationExpired => 8,
            Self::ConnectionNotFound => 9,
            Self::InvitingRestricted => 10,
            Self::CannotInviteMember => 11,
            Self::InvitationDeclined => 12,
            Self::InvitationClosed => 13,
            Self::IgnoreFirst => 14,
            Self::ConnectionLimitReached => 15,
            Self::ReplyLimitReached => 16,
            Self::EtagMismatch => 17,
        }
    }

    /// The refusal that [`Refusal::code`] numbers.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_found_by_its_number() {
        let numbered: Vec<i16> = Refusal::ALL.map(Refusal::code).to_vec();
        let mut sorted = numbered.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=17).collect::<Vec<i16>>());
        for code in numbered {
            assert_eq!(Refusal::from_code(code).map(Refusal::code), Some(code));
        }
    }
}
