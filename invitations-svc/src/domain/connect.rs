//! Connecting: what an accept and a crossing invitation come to.

use super::{
    account::Account,
    command::Moment,
    invitation::{Invitation, Lifecycle},
    pair::Pair,
    refusal::Refusal,
    transition::{Changes, Connected, Event, EventKind},
};

/// Connects the two members of an open invitation, unless one of them has as many connections as a member may.
pub(super) fn connect(
    invitation: &Invitation,
    pair: &Pair,
    inviter: &Account,
    recipient: &Account,
    moment: Moment,
) -> Result<(Changes, Invitation, Connected), Refusal> {
    let full = |account: &Account| account.connections >= moment.policy.max_connections;
    if full(inviter) || full(recipient) {
        return Err(Refusal::ConnectionLimitReached);
    }
    let accepted = invitation.closed(Lifecycle::Accepted, moment.now);
    let connected = Connected {
        inviter_id: inviter.member_id,
        recipient_id: recipient.member_id,
        at: moment.now,
    };
    let mut event = Event::of(EventKind::Accepted, &accepted, moment.now);
    // Whoever is connected may know of it, however it came about.
    event.hidden = false;
    let mut inviter = inviter.with_one_answered();
    inviter.connections += 1;
    let mut recipient = recipient.clone();
    recipient.connections += 1;
    let pair = Pair {
        connected_at: Some(moment.now),
        ..pair.closed(invitation.received.id)
    };
    let changes = Changes {
        accounts: vec![inviter, recipient],
        connected: Some(connected),
        events: vec![event],
        ..Changes::of(accepted.clone(), pair)
    };
    Ok((changes, accepted, connected))
}
