//! Whose view of the feed it is, and what that view shows.

use jiff::Timestamp;
use uuid::Uuid;

use super::transition::EventKind;

/// Whose view it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Services that may know everything.
    Service,
    /// One member, and the clients that act for them.
    Member(Uuid),
}

/// A transition as those who follow see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// What happened.
    pub kind: EventKind,
    /// The invitation; where a connection ended, an id of the event itself.
    pub invitation_id: Uuid,
    /// Who invites; where a connection ended, who ended it, or in a member's view that member.
    pub inviter_id: Uuid,
    /// The other member.
    pub recipient_id: Uuid,
    /// Whether the recipient must not learn of it.
    pub hidden: bool,
    /// When.
    pub happened_at: Timestamp,
}

/// Which of the two members looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inviter,
    Recipient,
}

impl Audience {
    /// The transition as this audience sees it; none where it does not.
    pub fn view(self, followed: Followed) -> Option<Followed> {
        let (side, member_id) = match self {
            Self::Service => return followed.kind.is_followed().then_some(followed),
            Self::Member(id) if id == followed.inviter_id => (Side::Inviter, id),
            Self::Member(id) if id == followed.recipient_id => (Side::Recipient, id),
            Self::Member(_) => return None,
        };
        is_shown(side, followed.kind, followed.hidden).then(|| match followed.kind {
            EventKind::Disconnected => followed.from(member_id),
            EventKind::Sent
            | EventKind::Resent
            | EventKind::Accepted
            | EventKind::Replied
            | EventKind::Ignored
            | EventKind::Restored
            | EventKind::Declined
            | EventKind::Withdrawn
            | EventKind::Expired
            | EventKind::Voided
            | EventKind::Reminded
            | EventKind::RemindersStopped => followed,
        })
    }
}

impl Followed {
    /// The same, whoever of the two did it.
    fn from(self, member_id: Uuid) -> Self {
        let other_id = if member_id == self.inviter_id {
            self.recipient_id
        } else {
            self.inviter_id
        };
        Self {
            inviter_id: member_id,
            recipient_id: other_id,
            ..self
        }
    }
}

/// Whether an inviter sees that it happened.
pub fn is_shown_to_inviters(kind: EventKind) -> bool {
    is_shown(Side::Inviter, kind, false)
}

/// What each of the two may see. The inviter sees nothing that the recipient does in private.
fn is_shown(side: Side, kind: EventKind, hidden: bool) -> bool {
    use EventKind::{
        Accepted, Declined, Disconnected, Expired, Ignored, Reminded, RemindersStopped, Replied, Resent,
        Restored, Sent, Voided, Withdrawn,
    };
    match (side, kind) {
        (Side::Inviter, Sent | Resent | Accepted | Replied | Withdrawn | Expired | Voided | Disconnected) => {
            true
        }
        (Side::Inviter, Ignored | Restored | Declined) => false,
        (Side::Recipient, Sent | Resent | Withdrawn | Expired | Voided) => !hidden,
        (Side::Recipient, Accepted | Replied | Ignored | Restored | Declined | Disconnected) => true,
        (Side::Inviter | Side::Recipient, Reminded | RemindersStopped) => false,
    }
}

#[cfg(test)]
mod tests {
    use EventKind::{
        Accepted, Declined, Disconnected, Expired, Ignored, Reminded, RemindersStopped, Replied, Resent,
        Restored, Sent, Voided, Withdrawn,
    };

    use super::*;

    const INVITER: Uuid = Uuid::from_u128(1);
    const RECIPIENT: Uuid = Uuid::from_u128(2);

    /// Kind, and whether it is shown to: the inviter; the recipient; the recipient when it is hidden.
    const TABLE: [(EventKind, [bool; 3]); 13] = [
        (Sent, [true, true, false]),
        (Resent, [true, true, false]),
        (Accepted, [true, true, true]),
        (Replied, [true, true, true]),
        (Ignored, [false, true, true]),
        (Restored, [false, true, true]),
        (Declined, [false, true, true]),
        (Withdrawn, [true, true, false]),
        (Expired, [true, true, false]),
        (Voided, [true, true, false]),
        (Disconnected, [true, true, true]),
        (Reminded, [false, false, false]),
        (RemindersStopped, [false, false, false]),
    ];

    fn followed(kind: EventKind, hidden: bool) -> Followed {
        Followed {
            kind,
            invitation_id: Uuid::from_u128(9),
            inviter_id: INVITER,
            recipient_id: RECIPIENT,
            hidden,
            happened_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn each_side_sees_what_the_contract_says() {
        for (kind, [inviter, recipient, if_hidden]) in TABLE {
            for (member, hidden, shown) in [
                (INVITER, false, inviter),
                (INVITER, true, inviter),
                (RECIPIENT, false, recipient),
                (RECIPIENT, true, if_hidden),
                (Uuid::from_u128(3), false, false),
                (Uuid::nil(), false, false),
            ] {
                let view = Audience::Member(member).view(followed(kind, hidden));
                assert_eq!(view.is_some(), shown, "{kind:?}, hidden: {hidden}, to {member}");
            }
        }
    }

    #[test]
    fn services_see_every_transition_as_it_is() {
        for (kind, _) in TABLE {
            for hidden in [false, true] {
                let whole = followed(kind, hidden);
                let expected = (kind != Reminded && kind != RemindersStopped).then_some(whole);
                assert_eq!(Audience::Service.view(whole), expected);
            }
        }
    }

    #[test]
    fn members_cannot_tell_who_ended_a_connection() {
        let ended = followed(Disconnected, false);
        let swapped = Followed {
            inviter_id: RECIPIENT,
            recipient_id: INVITER,
            ..ended
        };
        for member in [INVITER, RECIPIENT] {
            let view = Audience::Member(member).view(ended);
            assert_eq!(view.expect("both see it").inviter_id, member);
            assert_eq!(view, Audience::Member(member).view(swapped));
        }
    }

    #[test]
    fn every_other_view_names_inviter_and_recipient_as_they_are() {
        for (kind, _) in TABLE {
            for member in [INVITER, RECIPIENT] {
                if let Some(view) = Audience::Member(member).view(followed(kind, false))
                    && kind != Disconnected
                {
                    assert_eq!(
                        (view.inviter_id, view.recipient_id),
                        (INVITER, RECIPIENT),
                        "{kind:?}"
                    );
                }
            }
        }
    }
}
