//! Requests that are understood and not granted.

/// Why a request is refused. No variant carries a number that a member must not learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The same client used the request id for another request.
    #[error("request_id was used for another request; use a new UUID for a new request")]
    RequestIdReused,
    /// Inviter or recipient is unknown.
    #[error("no such member; UpsertMembers makes members known")]
    MemberNotFound,
    /// The two are connected.
    #[error("the two members are connected already")]
    AlreadyConnected,
    /// The recipient's address is needed, and was missing or wrong.
    #[error("this invitation needs the recipient's email address in recipient_email")]
    EmailRequired,
    /// The inviter sent to this recipient too often.
    #[error("this member was invited recently; invite again later")]
    InvitationAlreadySent,
    /// The inviter's quota is spent. Which limit is not said.
    #[error("the inviter cannot send more invitations at present")]
    InvitationLimitReached,
    /// No such invitation in the acting member's book.
    #[error("the acting member has no such invitation")]
    InvitationNotFound,
    /// The invitation's time ran out.
    #[error("the invitation has expired; its inviter can send it again")]
    InvitationExpired,
    /// The two are not connected.
    #[error("the two members are not connected")]
    ConnectionNotFound,
}

impl Refusal {
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
        }
    }

    /// The refusal that [`Refusal::code`] numbers.
    pub fn from_code(code: i16) -> Option<Self> {
        let all = [
            Self::RequestIdReused,
            Self::MemberNotFound,
            Self::AlreadyConnected,
            Self::EmailRequired,
            Self::InvitationAlreadySent,
            Self::InvitationLimitReached,
            Self::InvitationNotFound,
            Self::InvitationExpired,
            Self::ConnectionNotFound,
        ];
        all.into_iter().find(|refusal| refusal.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_found_by_its_number() {
        let numbered: Vec<Refusal> = (0..100).filter_map(Refusal::from_code).collect();
        assert_eq!(numbered.len(), 9);
        assert!(
            numbered
                .iter()
                .all(|refusal| Refusal::from_code(refusal.code()) == Some(*refusal))
        );
    }
}
