//! Accepting: the recipient's act, and what a send does that meets an open invitation.

use super::{
    command::Moment,
    invitation::{Folder, Lifecycle, Received},
    pair::Pair,
    refusal::Refusal,
    transition::{Answer, Changes, Connected, Decision, Event, EventKind},
};

/// Accepts an invitation as its recipient. Again is OK and changes nothing.
pub fn accept(received: Option<&Received>, pair: &Pair, moment: Moment) -> Decision {
    let Some(received) = received else {
        return Decision::refused(Refusal::InvitationNotFound);
    };
    match (received.lifecycle, received.folder) {
        (Lifecycle::Accepted, _) => Decision {
            changes: Changes::default(),
            answer: Ok(Answer::Accepted(received.clone())),
        },
        // Clocks of two processes differ: the pair says whether it is still this one that is open.
        (Lifecycle::Pending, _)
            if received.expires_at <= moment.now || pair.open.is_none_or(|open| open.id != received.id) =>
        {
            Decision::refused(Refusal::InvitationExpired)
        }
        (Lifecycle::Pending, Folder::Inbox | Folder::Archived) => {
            let (changes, accepted, _) = connect(received, pair, moment);
            Decision {
                changes,
                answer: Ok(Answer::Accepted(accepted)),
            }
        }
    }
}

/// Connects the two members of an open invitation.
pub(super) fn connect(received: &Received, pair: &Pair, moment: Moment) -> (Changes, Received, Connected) {
    let accepted = Received {
        lifecycle: Lifecycle::Accepted,
        accepted_at: Some(moment.now),
        sequence: received.sequence + 1,
        ..received.clone()
    };
    let connected = Connected {
        inviter_id: received.inviter_id,
        recipient_id: received.recipient_id,
        at: moment.now,
    };
    let changes = Changes {
        pair: Some(Pair {
            connected_at: Some(moment.now),
            open: None,
            ..pair.clone()
        }),
        received: Some(accepted.clone()),
        inviter_sees: true,
        connected: Some(connected),
        event: Some(Event {
            kind: EventKind::Accepted,
            invitation_id: accepted.id,
            sequence: accepted.sequence,
            inviter_id: accepted.inviter_id,
            recipient_id: accepted.recipient_id,
            note: String::new(),
            happened_at: moment.now,
        }),
        ..Changes::default()
    };
    (changes, accepted, connected)
}
