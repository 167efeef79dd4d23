//! What a send comes to, by what there is between the two.

use invitations_svc::domain::{
    command::{Moment, Send},
    invitation::{Folder, Lifecycle},
    member::{Addressee, InvitationPolicy},
    policy::AfterDecline,
    send::{Facts, send},
    transition::Decision,
};

use crate::{
    notes,
    scene::{ADA, BEN, Scene},
    table,
};

/// What a send gives as the recipient's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    Missing,
    Wrong,
    Right,
}

pub(crate) fn section() -> String {
    let rows = |after_decline| {
        between().map(|(there_is, mut scene, accepts)| {
            scene.policy.after_decline = after_decline;
            let decision = sent(&scene, Some(accepts), Address::Missing);
            [
                there_is.to_owned(),
                notes::answer(&decision),
                notes::transitions(&decision),
                notes::written(&scene, &decision),
            ]
        })
    };
    let head = ["between the two", "answer", "transition", "what is written"];
    let silent = rows(AfterDecline::Silent);
    let refuse = rows(AfterDecline::Refuse);
    let differ: Vec<[String; 4]> = silent.into_iter().filter(|row| !refuse.contains(row)).collect();
    format!(
        "## What a send comes to
With an inviter whom nothing restricts, and no address given. Of a transition that is hidden the recipient learns nothing.

{}
With `--after-decline silent` these differ:

{}",
        table(head, refuse),
        table(head, differ),
    )
}

fn between() -> [(&'static str, Scene, InvitationPolicy); 17] {
    use InvitationPolicy::{Everyone, KnowsMyEmail, Nobody};
    let own = |folder| Scene::invited(ADA, folder);
    let theirs = |folder| Scene::invited(BEN, folder);
    let mut emailed = own(Folder::Inbox);
    if let Some(invitation) = &mut emailed.invitation {
        invitation.received.emailed_at = emailed.now;
    }
    let mut decliner = Scene::strangers();
    decliner.pair.from_mut(BEN).barred = true;
    [
        ("nothing", Scene::strangers(), Everyone),
        (
            "nothing, and the recipient admits those who know their address",
            Scene::strangers(),
            KnowsMyEmail,
        ),
        (
            "nothing, and the recipient admits nobody",
            Scene::strangers(),
            Nobody,
        ),
        (
            "the inviter's invitation, in the inbox",
            own(Folder::Inbox),
            Everyone,
        ),
        ("the same, and an initial email went today", emailed, Everyone),
        (
            "the inviter's invitation, ignored",
            own(Folder::Archived),
            Everyone,
        ),
        (
            "the inviter's invitation, declined",
            own(Folder::Declined),
            Everyone,
        ),
        (
            "the inviter's invitation, which reached nobody",
            own(Folder::Barred),
            Everyone,
        ),
        (
            "the inviter's invitation, withdrawn",
            own(Folder::Inbox).closed(Lifecycle::Withdrawn),
            Everyone,
        ),
        (
            "the inviter's invitation, expired",
            own(Folder::Inbox).later(180),
            Everyone,
        ),
        (
            "the inviter's invitation, declined and expired",
            own(Folder::Declined).later(180),
            Everyone,
        ),
        (
            "the recipient's invitation, in the inbox",
            theirs(Folder::Inbox),
            Everyone,
        ),
        (
            "the recipient's invitation, ignored by the inviter",
            theirs(Folder::Archived),
            Everyone,
        ),
        (
            "the recipient's invitation, declined by the inviter",
            theirs(Folder::Declined),
            Everyone,
        ),
        (
            "the recipient's invitation, which reached nobody",
            theirs(Folder::Barred),
            Everyone,
        ),
        ("the inviter declined the recipient before", decliner, Everyone),
        (
            "a connection",
            own(Folder::Inbox).closed(Lifecycle::Accepted),
            Everyone,
        ),
    ]
}

/// Ada invites Ben. No policy where Ben is no member.
pub(crate) fn sent(scene: &Scene, accepts: Option<InvitationPolicy>, address: Address) -> Decision {
    let command = Send {
        inviter_id: ADA,
        recipient_id: BEN,
        note: "hello".to_owned(),
        recipient_email: match address {
            Address::Missing => None,
            Address::Wrong => Some("wrong@example.com".to_owned()),
            Address::Right => Some("ben@example.com".to_owned()),
        },
        reminders: true,
        entropy: [9; 10],
    };
    let recipient = accepts.map(|policy| Addressee {
        policy,
        email: "ben@example.com".to_owned(),
    });
    let open = scene.pair.open.and(scene.invitation.as_ref());
    let facts = Facts {
        account: Some(&scene.ada),
        recipient: recipient.as_ref(),
        theirs: Some(&scene.ben),
        pair: &scene.pair,
        open,
    };
    let moment = Moment {
        now: scene.now,
        policy: &scene.policy,
    };
    send(&command, &facts, moment)
}
