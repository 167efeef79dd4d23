//! Rows of two members, and what a rule makes of them in words.

use std::time::Duration;

use invitations_svc::domain::{
    account::Account,
    ids,
    invitation::{Folder, Invitation, Lifecycle, Received, Sent},
    pair::{Open, Pair, PairKey},
    policy::Policy,
};
use jiff::Timestamp;
use uuid::Uuid;

/// Who invites in most tables, and who is invited.
pub(crate) const ADA: Uuid = Uuid::from_u128(1);
pub(crate) const BEN: Uuid = Uuid::from_u128(2);

/// What there is of the two before an act.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) now: Timestamp,
    pub(crate) policy: Policy,
    pub(crate) ada: Account,
    pub(crate) ben: Account,
    pub(crate) pair: Pair,
    pub(crate) invitation: Option<Invitation>,
}

pub(crate) fn days(count: u32) -> Duration {
    count * Policy::DAY
}

impl Scene {
    pub(crate) fn strangers() -> Self {
        Self {
            now: Timestamp::from_second(1_795_000_000).expect("in range"),
            policy: Policy::default(),
            ada: Account::unused(ADA),
            ben: Account::unused(BEN),
            pair: Pair::strangers(PairKey::of(ADA, BEN)),
            invitation: None,
        }
    }

    /// An invitation of two days ago that lies in `folder`; of Ada to Ben, or the other way.
    pub(crate) fn invited(inviter_id: Uuid, folder: Folder) -> Self {
        let mut scene = Self::strangers();
        let sent_at = scene.ago(2);
        let recipient_id = if inviter_id == ADA { BEN } else { ADA };
        let id = ids::new(sent_at, &[7; 10]);
        let expires_at = sent_at.saturating_add(scene.policy.open_for).expect("in range");
        let sent = Sent {
            inviter_id,
            id,
            recipient_id,
            note: "before".to_owned(),
            lifecycle: Lifecycle::Pending,
            sent_at,
            expires_at,
            closed_at: None,
        };
        let received = Received {
            recipient_id,
            id,
            inviter_id,
            note: sent.note.clone(),
            lifecycle: Lifecycle::Pending,
            folder,
            sequence: 1,
            sent_at,
            expires_at,
            closed_at: None,
            emailed_at: sent_at,
            reminders: true,
            reminders_left: scene.policy.reminders_after.len(),
            replies: 0,
            due_at: None,
        };
        let received = match folder {
            Folder::Inbox | Folder::Barred => received.scheduled(scene.now, &scene.policy),
            Folder::Archived | Folder::Declined => received.without_reminders(),
        };
        scene.pair.open = Some(Open {
            id,
            inviter_id,
            until: expires_at,
        });
        scene.pair.from_mut(inviter_id).barred = match folder {
            Folder::Declined | Folder::Barred => true,
            Folder::Inbox | Folder::Archived => false,
        };
        scene.account(inviter_id).outstanding = 1;
        scene.invitation = Some(Invitation { sent, received });
        scene
    }

    /// The invitation closed.
    pub(crate) fn closed(mut self, lifecycle: Lifecycle) -> Self {
        let invitation = self.invitation.take().expect("there is one");
        self.pair = self.pair.closed(invitation.sent.id);
        self.account(invitation.sent.inviter_id).outstanding = 0;
        self.invitation = Some(invitation.closed(lifecycle, self.now));
        match lifecycle {
            Lifecycle::Accepted => {
                self.pair.connected_at = Some(self.now);
                (self.ada.connections, self.ben.connections) = (1, 1);
            }
            Lifecycle::Withdrawn => self.pair.from_mut(ADA).email_required = true,
            Lifecycle::Pending | Lifecycle::Expired | Lifecycle::Void => {}
        }
        self
    }

    /// So many days later.
    pub(crate) fn later(mut self, count: u32) -> Self {
        self.now = self.now.saturating_add(days(count)).expect("in range");
        self
    }

    pub(crate) fn ago(&self, count: u32) -> Timestamp {
        self.now.saturating_sub(days(count)).expect("in range")
    }

    pub(crate) fn account(&mut self, member_id: Uuid) -> &mut Account {
        if member_id == ADA {
            &mut self.ada
        } else {
            &mut self.ben
        }
    }

    /// The inviter of the invitation, or else Ada.
    pub(crate) fn inviter(&self) -> &Account {
        match &self.invitation {
            Some(invitation) if invitation.sent.inviter_id == BEN => &self.ben,
            Some(_) | None => &self.ada,
        }
    }
}
