//! The contract's table of acts, cell by cell.

use uuid::Uuid;

use crate::domain::{
    command::{Answer as How, Recalled},
    invitation::{Folder, Lifecycle, ReceivedState},
    member::InvitationPolicy,
    policy::{AfterDecline, Policy},
    refusal::Refusal,
    transition::{Answer, EventKind},
    world::{ADA, BEN, World},
};

/// What an act comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Connected,
    Stays,
    Archived,
    Inbox,
    Declined,
    /// OK, nothing changes.
    Fine,
    No(Refusal),
}

use Cell::{Archived, Connected, Declined, Fine, Inbox, No, Stays};

const GONE: Cell = No(Refusal::InvitationNotFound);
const CLOSED: Cell = No(Refusal::InvitationClosed);
const EXPIRED: Cell = No(Refusal::InvitationExpired);
const REFUSED: Cell = No(Refusal::InvitationDeclined);
const IGNORE_FIRST: Cell = No(Refusal::IgnoreFirst);

/// Rows are acts, columns are what the invitation is: in the inbox, archived, declined, accepted, withdrawn, expired,
/// void, barred.
#[rustfmt::skip]
fn table() -> [(How, [Cell; 8]); 5] {
    [
        (How::Accept,  [Connected,    Connected, REFUSED, Fine,   GONE, EXPIRED, GONE, GONE]),
        (reply(),      [Stays,        Stays,     REFUSED, CLOSED, GONE, EXPIRED, GONE, GONE]),
        (How::Ignore,  [Archived,     Fine,      REFUSED, CLOSED, GONE, EXPIRED, GONE, GONE]),
        (How::Restore, [Fine,         Inbox,     REFUSED, CLOSED, GONE, EXPIRED, GONE, GONE]),
        (How::Decline, [IGNORE_FIRST, Declined,  Fine,    CLOSED, GONE, EXPIRED, GONE, GONE]),
    ]
}

fn reply() -> How {
    How::Reply("who are you?".to_owned())
}

/// The ways in which Ada's invitation to Ben can come to stand in each column.
fn columns() -> [Vec<(World, Uuid)>; 8] {
    let folders = || vec![inbox(), archived(), declined()];
    let after = |act: fn(&mut World, Uuid)| {
        let mut all = folders();
        all.iter_mut().for_each(|(world, id)| act(world, *id));
        all
    };
    let and_barred = |act: fn(&mut World, Uuid)| {
        let mut all = after(act);
        let (mut world, id) = barred();
        act(&mut world, id);
        all.push((world, id));
        all
    };
    let accept = |world: &mut World, id| drop(world.answer(id, How::Accept).expect("granted"));
    let mut accepted = vec![inbox(), archived()];
    accepted.iter_mut().for_each(|(world, id)| accept(world, *id));
    // Whoever declined, or never saw it, and invites, has accepted.
    for (mut world, id) in [declined(), barred()] {
        world.send(BEN, ADA).expect("connected");
        accepted.push((world, id));
    }
    let mut expired = after(|world, _| world.wait_days(180));
    expired.extend(after(|world, _| {
        world.wait_days(180);
        world.look_at_all();
    }));
    expired.extend(superseded());
    let (mut barred_expired, barred_id) = barred();
    barred_expired.wait_days(180);
    let mut barred_noted = barred_expired.clone();
    barred_noted.look_at_all();
    [
        vec![inbox()],
        vec![archived()],
        vec![declined()],
        accepted,
        and_barred(|world, id| drop(world.recall(id, Recalled::Invitation).expect("granted"))),
        expired,
        and_barred(World::void),
        vec![barred(), (barred_expired, barred_id), (barred_noted, barred_id)],
    ]
}

fn inbox() -> (World, Uuid) {
    let mut world = World::new();
    let id = world.invited();
    (world, id)
}

fn archived() -> (World, Uuid) {
    let (mut world, id) = inbox();
    world.answer(id, How::Ignore).expect("granted");
    (world, id)
}

fn declined() -> (World, Uuid) {
    let (mut world, id) = inbox();
    world.decline(id);
    (world, id)
}

fn barred() -> (World, Uuid) {
    let mut world = World::with(Policy {
        after_decline: AfterDecline::Silent,
        ..Policy::default()
    });
    world.let_invite(BEN, InvitationPolicy::Nobody);
    let id = world.invited();
    (world, id)
}

/// Expired, and another invitation of the two is open.
fn superseded() -> Vec<(World, Uuid)> {
    let one_more = |inviter, recipient| {
        let (mut world, id) = inbox();
        world.wait_days(180);
        world.sent_by(inviter, recipient);
        (world, id)
    };
    // The clock of the process that took the second send went ahead of this one's.
    let (mut behind, id) = inbox();
    behind.wait_days(180);
    behind.invited();
    behind.received.get_mut(&id).expect("sent").lifecycle = Lifecycle::Pending;
    behind.wait_days(-1);
    vec![one_more(ADA, BEN), one_more(BEN, ADA), (behind, id)]
}

#[test]
fn every_act_on_every_invitation_comes_to_what_the_table_says() {
    let columns = columns();
    for (act, cells) in table() {
        for (column, cell) in columns.iter().zip(cells) {
            for (world, id) in column {
                check(world, *id, &act, cell);
            }
        }
    }
}

fn check(world: &World, id: Uuid, act: &How, cell: Cell) {
    let mut after = world.clone();
    let answer = after.answer(id, act.clone());
    let what = format!("{act:?} on {:?}", world.received[&id]);
    let row = after.received[&id].clone();
    assert_eq!(
        after.sent[&id] != world.sent[&id],
        cell == Connected,
        "the inviter sees an accept only: {what}"
    );
    let kinds = &after.events[world.events.len()..];
    let kinds: Vec<EventKind> = kinds.iter().map(|event| event.kind).collect();
    match cell {
        No(refusal) => assert_eq!(answer, Err(refusal), "{what}"),
        Stays => assert!(
            matches!(&answer, Ok(Answer::Replied(shown, _)) if *shown == row),
            "{what}"
        ),
        Connected | Archived | Inbox | Declined | Fine => {
            assert_eq!(answer, Ok(Answer::Received(row.clone())), "{what}")
        }
    }
    let folder = world.received[&id].folder;
    let (expected, folder, event) = match cell {
        No(_) | Fine => {
            assert_eq!(row, world.received[&id], "{what}");
            assert_eq!(after.pairs, world.pairs, "{what}");
            assert_eq!(after.accounts, world.accounts, "{what}");
            assert_eq!(kinds, [], "{what}");
            return;
        }
        Connected => (ReceivedState::Accepted, folder, EventKind::Accepted),
        Stays if folder == Folder::Archived => (ReceivedState::Ignored, folder, EventKind::Replied),
        Stays => (ReceivedState::Pending, folder, EventKind::Replied),
        Archived => (ReceivedState::Ignored, Folder::Archived, EventKind::Ignored),
        Inbox => (ReceivedState::Pending, Folder::Inbox, EventKind::Restored),
        Declined => (ReceivedState::Declined, Folder::Declined, EventKind::Declined),
    };
    assert_eq!(row.state(after.now), Some(expected), "{what}");
    assert_eq!(row.folder, folder, "{what}");
    assert_eq!(row.sequence, world.received[&id].sequence + 1, "{what}");
    assert_eq!(kinds, [event], "{what}");
}

#[test]
fn nobody_answers_an_invitation_of_which_one_side_was_erased() {
    for erased in [ADA, BEN] {
        for (mut world, id) in columns().into_iter().flatten() {
            world.erase(erased).expect("granted");
            for (act, _) in table() {
                let decision = world.judge(world.answering(id, act, None));
                assert_eq!(decision.answer, Err(Refusal::InvitationNotFound));
                assert_eq!(decision.changes, Default::default());
            }
        }
    }
}
