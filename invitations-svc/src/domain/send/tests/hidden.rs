use uuid::Uuid;

use super::cases::Case;
use crate::domain::{
    account::Account,
    invitation::{Folder, Sent},
    member::InvitationPolicy,
    pair::{Open, Pair, Side},
    policy::AfterDecline,
    refusal::Refusal,
    transition::{Answer, Connected, Decision, EventKind},
    world::ADA,
};

const FOLDERS: [Folder; 4] = [Folder::Inbox, Folder::Archived, Folder::Declined, Folder::Barred];

/// All that the inviter can learn of a send, at once or by what they do later.
#[derive(Debug, PartialEq)]
struct Seen {
    answer: Result<Answer, Refusal>,
    rows: Vec<Sent>,
    account: Vec<Account>,
    side: Option<Side>,
    open: Option<Option<Open>>,
    connected: Option<Connected>,
    events: Vec<(EventKind, Uuid)>,
}

fn seen(case: &Case) -> Seen {
    let Decision { changes, answer } = case.decide();
    let own = |pair: &Pair| Side {
        barred: false,
        struck_at: None,
        ..pair.from(ADA).clone()
    };
    Seen {
        answer,
        rows: changes.sent,
        account: changes.accounts,
        side: changes.pair.as_ref().map(own),
        open: changes.pair.as_ref().map(|pair| pair.open),
        connected: changes.connected,
        events: changes
            .events
            .iter()
            .map(|event| (event.kind, event.invitation_id))
            .collect(),
    }
}

fn in_folder(case: &Case, folder: Folder) -> Case {
    Case {
        open: case.open.map(|(inviter, _, hours)| (inviter, folder, hours)),
        ..case.clone()
    }
}

#[test]
fn what_the_inviter_gets_does_not_depend_on_the_folder() {
    let in_inbox = |case: &Case| case.open.is_some_and(|(_, folder, _)| folder == Folder::Inbox);
    for case in Case::some().filter(in_inbox).step_by(7) {
        let inbox = seen(&case);
        for folder in FOLDERS {
            assert_eq!(seen(&in_folder(&case, folder)), inbox, "{folder:?}: {case:?}");
        }
    }
}

#[test]
fn under_silent_what_the_inviter_gets_does_not_depend_on_what_the_recipient_hides() {
    let is_plain = |case: &Case| {
        !case.is_hidden()
            && case.accepts == InvitationPolicy::Everyone
            && case.after_decline == AfterDecline::Silent
    };
    for case in Case::some().filter(is_plain) {
        let plain = seen(&case);
        let barred = Case {
            barred: true,
            ..in_folder(&case, Folder::Declined)
        };
        let nobody = Case {
            accepts: InvitationPolicy::Nobody,
            ..in_folder(&case, Folder::Barred)
        };
        assert_eq!(seen(&barred), plain, "declined: {case:?}");
        assert_eq!(seen(&nobody), plain, "accepts nobody: {case:?}");
    }
}

#[test]
fn under_refuse_every_hidden_cause_gets_the_same_refusal() {
    let is_plain = |case: &Case| !case.is_hidden() && case.accepts == InvitationPolicy::Everyone;
    let refuses = |case: &Case| case.after_decline == AfterDecline::Refuse;
    for case in Case::some().filter(|case| is_plain(case) && refuses(case)) {
        let declined = Case {
            barred: true,
            ..case.clone()
        };
        let nobody = Case {
            accepts: InvitationPolicy::Nobody,
            ..case.clone()
        };
        assert_eq!(seen(&declined), seen(&nobody), "{case:?}");
    }
}
