//! What every act on an invitation comes to, wherever the invitation stands.

use invitations_svc::domain::{
    account::{Restriction, RestrictionKind},
    answer::{self, answer},
    command::{Answer as How, Answering, Moment, Recall, Recalled, Received as Target},
    due::{self, due, void},
    invitation::{Folder, Lifecycle, Standing},
    recall::{self, recall},
    refusal::Refusal,
    transition::Decision,
};

use crate::{
    notes,
    scene::{ADA, Scene},
    table,
};

/// Who does something with an invitation.
#[derive(Debug, Clone)]
enum Act {
    Answer(How),
    Recall(Recalled),
    Due,
    Void,
}

const STANDINGS: [Standing; 8] = [
    Standing::Inbox,
    Standing::Archived,
    Standing::Declined,
    Standing::Accepted,
    Standing::Withdrawn,
    Standing::Expired,
    Standing::Void,
    Standing::Barred,
];

pub(crate) fn section() -> String {
    let answers = [
        ("Accept", Act::Answer(How::Accept)),
        ("Reply", Act::Answer(How::Reply("hm".to_owned()))),
        ("Ignore", Act::Answer(How::Ignore)),
        ("Restore", Act::Answer(How::Restore)),
        ("Decline", Act::Answer(How::Decline)),
    ];
    let recalls = [
        ("Withdraw", Act::Recall(Recalled::Invitation)),
        ("Stop reminders", Act::Recall(Recalled::Reminders)),
    ];
    format!(
        "## What a recipient does
{}
Besides:

{}
## What an inviter does
Nothing here depends on the folder.

{}
## What time and erasure do
Workers do this; nobody is answered. That an invitation has expired is true for everybody from its time on, also before a
worker notes it.

{}",
        table(HEAD, rows(&answers)),
        table(["act", "answer"], besides()),
        table(HEAD, rows(&recalls)),
        table(
            ["when", "transition", "what is written"],
            time().map(|(when, scene, act)| {
                let decision = judged(&scene, &act, None);
                [
                    when.to_owned(),
                    notes::transitions(&decision),
                    notes::written(&scene, &decision),
                ]
            })
        ),
    )
}

const HEAD: [&str; 5] = [
    "the invitation is",
    "act",
    "answer",
    "transition",
    "what is written",
];

/// Acts that come to the same are one row.
fn rows(acts: &[(&str, Act)]) -> Vec<[String; 5]> {
    let mut rows: Vec<[String; 5]> = Vec::new();
    for standing in STANDINGS {
        let scene = scene(standing);
        let mut of_standing: Vec<[String; 5]> = Vec::new();
        for (name, act) in acts {
            let decision = judged(&scene, act, None);
            let outcome = [
                notes::answer(&decision),
                notes::transitions(&decision),
                notes::written(&scene, &decision),
            ];
            match of_standing.iter_mut().find(|row| row[2..] == outcome) {
                Some(row) => row[1] += &format!(", {name}"),
                None => {
                    let [answer, transition, written] = outcome;
                    let name = (*name).to_owned();
                    of_standing.push([words(standing).to_owned(), name, answer, transition, written]);
                }
            }
        }
        rows.extend(of_standing);
    }
    rows
}

fn words(standing: Standing) -> &'static str {
    match standing {
        Standing::Inbox => "pending, in the inbox",
        Standing::Archived => "pending, ignored",
        Standing::Declined => "pending, declined",
        Standing::Barred => "pending, and reached nobody",
        Standing::Accepted => "accepted",
        Standing::Withdrawn => "withdrawn",
        Standing::Expired => "expired",
        Standing::Void => "void: one of the two was erased",
    }
}

fn scene(standing: Standing) -> Scene {
    let inbox = || Scene::invited(ADA, Folder::Inbox);
    match standing {
        Standing::Inbox => inbox(),
        Standing::Archived => Scene::invited(ADA, Folder::Archived),
        Standing::Declined => Scene::invited(ADA, Folder::Declined),
        Standing::Barred => Scene::invited(ADA, Folder::Barred),
        Standing::Accepted => inbox().closed(Lifecycle::Accepted),
        Standing::Withdrawn => inbox().closed(Lifecycle::Withdrawn),
        Standing::Expired => inbox().later(180),
        Standing::Void => inbox().closed(Lifecycle::Void),
    }
}

/// What workers meet.
fn time() -> [(&'static str, Scene, Act); 9] {
    let inbox = || Scene::invited(ADA, Folder::Inbox);
    let mut restricted = inbox().later(5);
    restricted.ada.restriction = Some(Restriction {
        kind: RestrictionKind::Suspended,
        until: None,
    });
    let mut last = inbox().later(19);
    if let Some(invitation) = &mut last.invitation {
        invitation.received.reminders_left = 1;
    }
    [
        ("a reminder is due, in the inbox", inbox().later(5), Act::Due),
        ("the last reminder is due, in the inbox", last, Act::Due),
        (
            "a reminder is due, and the inviter is restricted",
            restricted,
            Act::Due,
        ),
        (
            "a reminder would be due, but it was ignored",
            Scene::invited(ADA, Folder::Archived).later(5),
            Act::Due,
        ),
        ("its time is over, in the inbox", inbox().later(180), Act::Due),
        (
            "its time is over, declined",
            Scene::invited(ADA, Folder::Declined).later(180),
            Act::Due,
        ),
        (
            "its time is over, and it reached nobody",
            Scene::invited(ADA, Folder::Barred).later(180),
            Act::Due,
        ),
        ("one of the two was erased, and it is pending", inbox(), Act::Void),
        (
            "one of the two was erased, and it is closed",
            inbox().closed(Lifecycle::Accepted),
            Act::Void,
        ),
    ]
}

/// What other rows than the invitation's decide.
fn besides() -> [[String; 2]; 5] {
    let reply = || Act::Answer(How::Reply("hm".to_owned()));
    let mut full = scene(Standing::Inbox);
    full.ben.connections = full.policy.max_connections;
    let mut replied = scene(Standing::Archived);
    if let Some(invitation) = &mut replied.invitation {
        invitation.received.replies = replied.policy.max_replies;
    }
    let mut parted = scene(Standing::Accepted);
    parted.pair.connected_at = None;
    let judges_etags = |standing: &Standing| {
        let decision = judged(&scene(*standing), &reply(), Some(0));
        decision.answer == Err(Refusal::EtagMismatch)
    };
    let standings: Vec<&str> = STANDINGS.into_iter().filter(judges_etags).map(words).collect();
    [
        [
            "any, on an invitation that is somebody else's or does not exist".to_owned(),
            notes::refused(Refusal::InvitationNotFound),
        ],
        [
            format!(
                "any, with an etag that is old, while it is: {}",
                standings.join("; ")
            ),
            notes::refused(Refusal::EtagMismatch),
        ],
        [
            "Accept, while either side has as many connections as one may have".to_owned(),
            notes::answer(&judged(&full, &Act::Answer(How::Accept), None)),
        ],
        [
            "Accept, on an accepted one, once the two have parted".to_owned(),
            notes::answer(&judged(&parted, &Act::Answer(How::Accept), None)),
        ],
        [
            "Reply, when there are as many replies as one may write".to_owned(),
            notes::answer(&judged(&replied, &reply(), None)),
        ],
    ]
}

fn judged(scene: &Scene, act: &Act, seen: Option<i64>) -> Decision {
    let invitation = scene.invitation.as_ref().expect("there is one");
    let (pair, inviter) = (&scene.pair, scene.inviter());
    let moment = Moment {
        now: scene.now,
        policy: &scene.policy,
    };
    let due_facts = due::Facts {
        invitation,
        pair,
        inviter,
    };
    match act {
        Act::Answer(how) => {
            let answering = Answering {
                target: Target {
                    recipient_id: invitation.received.recipient_id,
                    invitation_id: invitation.received.id,
                },
                seen,
                answer: how.clone(),
            };
            let facts = answer::Facts {
                invitation,
                pair,
                inviter,
                recipient: &scene.ben,
            };
            answer(&answering, &facts, moment)
        }
        Act::Recall(what) => {
            let recalling = Recall {
                inviter_id: invitation.sent.inviter_id,
                invitation_id: invitation.sent.id,
                what: *what,
            };
            let facts = recall::Facts {
                invitation,
                pair,
                inviter,
            };
            recall(&recalling, &facts, moment)
        }
        Act::Due => due(&due_facts, moment),
        Act::Void => void(&due_facts, moment),
    }
}
