//! The checks of a send, shown to come in their order: each row meets everything of the rows below it as well.

use invitations_svc::domain::{
    account::{Restriction, RestrictionKind},
    invitation::Folder,
    member::InvitationPolicy,
    policy::AfterDecline,
    time_log::TimeLog,
    transition::Decision,
};

use crate::{
    notes,
    scene::{ADA, BEN, Scene},
    sends::{Address, sent},
    table,
};

/// What can stand in the way of a send, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Obstacle {
    NoMember,
    Connected,
    CrossingWithoutRoom,
    Crossing,
    Suspended,
    AddressMissing,
    GuessWithoutQuota,
    AddressWrong,
    SentTooOften,
    QuotaSpent,
    NoRoom,
    Hidden,
    Pending,
    Nothing,
}

use Obstacle::{
    AddressMissing, AddressWrong, Connected, Crossing, CrossingWithoutRoom, GuessWithoutQuota, Hidden,
    NoMember, NoRoom, Nothing, Pending, QuotaSpent, SentTooOften, Suspended,
};

const ORDER: [Obstacle; 14] = [
    NoMember,
    Connected,
    CrossingWithoutRoom,
    Crossing,
    Suspended,
    AddressMissing,
    GuessWithoutQuota,
    AddressWrong,
    SentTooOften,
    QuotaSpent,
    NoRoom,
    Hidden,
    Pending,
    Nothing,
];

pub(crate) fn section() -> String {
    let rows = ORDER.map(|first| {
        let (scene, decision) = met(first);
        [
            words(first).to_owned(),
            notes::answer(&decision),
            notes::written(&scene, &decision),
        ]
    });
    format!(
        "## The order of a send's checks
Before these: whether the client may act for the inviter, whether the arguments are well formed, and whether the
`request_id` was seen in the last 24 hours. Then the first that holds decides. Each row was met with everything that the
rows below it name as well, as far as that goes together.

{}",
        table(["check", "answer", "what is written"], rows)
    )
}

fn words(obstacle: Obstacle) -> &'static str {
    match obstacle {
        NoMember => "one of the two is no member, or was erased",
        Connected => "the two are connected",
        CrossingWithoutRoom => {
            "the recipient's invitation is pending, and one of the two has no room for a connection"
        }
        Crossing => "the recipient's invitation is pending",
        Suspended => "the inviter is suspended",
        AddressMissing => "the recipient's address is needed and missing",
        GuessWithoutQuota => {
            "the address is needed and given, right or wrong, and no send is left to pay for a wrong one"
        }
        AddressWrong => "the address is needed and wrong",
        SentTooOften => "as many sends to this recipient as the window allows",
        QuotaSpent => "no send is left of the day's, the week's or all",
        NoRoom => "no room for a connection, or (only a new one) for an outstanding invitation",
        Hidden => "the recipient declined the inviter, or admits nobody",
        Pending => "an invitation of the inviter's is pending",
        Nothing => "nothing",
    }
}

/// A send that meets `first` and all that comes after it, as far as they go together.
fn met(first: Obstacle) -> (Scene, Decision) {
    let meets = |obstacle: Obstacle| first <= obstacle;
    let mut scene = match first {
        NoMember | Connected | CrossingWithoutRoom | Crossing => Scene::invited(BEN, Folder::Inbox),
        Nothing => Scene::strangers(),
        Suspended | AddressMissing | GuessWithoutQuota | AddressWrong | SentTooOften | QuotaSpent
        | NoRoom | Hidden | Pending => Scene::invited(ADA, Folder::Inbox),
    };
    scene.policy.after_decline = AfterDecline::Refuse;
    scene.pair.connected_at = meets(Connected)
        .then_some(scene.now)
        .filter(|_| first <= Connected);
    let restriction = Restriction {
        kind: RestrictionKind::Suspended,
        until: None,
    };
    scene.ada.restriction = (first <= Suspended).then_some(restriction);
    // A wrong address is judged only where there is a send to pay with; who crosses needs room.
    if first <= GuessWithoutQuota || first == QuotaSpent {
        scene.ada.sends = TimeLog::new(vec![scene.ago(0); scene.policy.quota_day]);
    }
    if first <= NoRoom && first != Crossing {
        scene.ada.connections = scene.policy.max_connections;
    }
    let (now, pair_sends) = (scene.now, scene.policy.pair_sends);
    let side = scene.pair.from_mut(ADA);
    side.email_required = first <= AddressWrong;
    side.barred = first <= Hidden;
    if first <= SentTooOften {
        side.sends = TimeLog::new(vec![now; pair_sends]);
    }
    let address = match first {
        NoMember | Connected | CrossingWithoutRoom | Crossing | Suspended | AddressMissing => {
            Address::Missing
        }
        GuessWithoutQuota => Address::Right,
        AddressWrong | SentTooOften | QuotaSpent | NoRoom | Hidden | Pending | Nothing => Address::Wrong,
    };
    let accepts = (first != NoMember).then_some(InvitationPolicy::Everyone);
    let decision = sent(&scene, accepts, address);
    (scene, decision)
}
