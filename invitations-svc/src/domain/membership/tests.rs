use crate::domain::{
    command::{Answer as How, Ending},
    invitation::Folder,
    pair::{Pair, PairKey},
    refusal::Refusal,
    transition::{Answer, AuditAction, EventKind},
    world::{ADA, BEN, CLEO, World},
};

fn connected() -> World {
    let mut world = World::new();
    let id = world.invited();
    world.answer(id, How::Accept).expect("granted");
    world
}

#[test]
fn either_side_ends_a_connection_without_an_email() {
    for (member, other) in [(ADA, BEN), (BEN, ADA)] {
        let mut world = connected();
        assert_eq!(world.disconnect(member, other), Ok(Answer::Done));
        assert!(world.connections.is_empty());
        assert_eq!([ADA, BEN].map(|id| world.accounts[&id].connections), [0, 0]);
        let event = world.events.last().expect("parted");
        assert_eq!((event.kind, event.mails), (EventKind::Disconnected, false));
        assert_eq!((event.inviter_id, event.recipient_id), (member, other));
    }
}

#[test]
fn ending_what_is_not_there_is_fine_and_changes_nothing() {
    let mut world = connected();
    world.disconnect(ADA, BEN).expect("granted");
    let events = world.events.len();
    assert_eq!(world.disconnect(BEN, ADA), Ok(Answer::Done));
    assert_eq!(world.disconnect(ADA, CLEO), Ok(Answer::Done));
    assert_eq!(world.events.len(), events);
    assert_eq!(world.accounts[&ADA].connections, 0);
}

#[test]
fn nobody_parts_from_or_as_an_erased_member() {
    for (erased, member, other) in [(BEN, ADA, BEN), (ADA, ADA, BEN)] {
        let mut world = connected();
        world.erase(erased).expect("granted");
        assert_eq!(world.disconnect(member, other), Err(Refusal::MemberNotFound));
    }
}

#[test]
fn a_worker_ends_the_connections_of_an_erased_member() {
    for (member, other) in [(ADA, BEN), (BEN, ADA)] {
        let mut world = connected();
        world.erase(BEN).expect("granted");
        let end = world.a_disconnect(member, other, Ending::Erased);
        for _ in 0..2 {
            assert_eq!(world.act(end.clone()), Ok(Answer::Done));
        }
        assert!(world.connections.is_empty());
        assert_eq!([ADA, BEN].map(|id| world.accounts[&id].connections), [0, 0]);
        let endings = world.kinds();
        assert_eq!(
            endings
                .iter()
                .filter(|kind| **kind == EventKind::Disconnected)
                .count(),
            1
        );
    }
}

#[test]
fn the_pair_starts_afresh_and_only_who_struck_whom_is_remembered() {
    let mut world = World::new();
    let first = world.invited();
    world.decline(first);
    let struck_at = world.side().struck_at;
    assert!(struck_at.is_some());
    world.send(BEN, ADA).expect("connected");
    world.side().email_required = true;
    world.disconnect(BEN, ADA).expect("parted");
    let mut expected = Pair::strangers(PairKey::of(ADA, BEN));
    expected.from_mut(ADA).struck_at = struck_at;
    assert_eq!(world.pair(ADA, BEN), expected);
    let second = world.invited();
    assert_ne!(first, second);
    assert_eq!(world.received[&second].folder, Folder::Inbox);
}

#[test]
fn erasing_is_done_once_and_leaves_an_entry_in_the_audit_log() {
    let mut world = connected();
    for _ in 0..2 {
        assert_eq!(world.erase(BEN), Ok(Answer::Done));
    }
    assert_eq!(world.audits.len(), 1);
    let entry = &world.audits[0];
    assert_eq!((entry.member_id, entry.action), (BEN, AuditAction::Erased));
}

#[test]
fn an_erased_member_neither_invites_nor_is_invited() {
    for (inviter, recipient) in [(ADA, BEN), (BEN, ADA)] {
        let mut world = World::new();
        world.invited();
        world.erase(ADA).expect("granted");
        assert_eq!(world.send(inviter, recipient), Err(Refusal::MemberNotFound));
        assert_eq!(
            world.accounts[&inviter].lifetime_sends,
            usize::from(inviter == ADA)
        );
    }
}

#[test]
fn strikes_that_an_erased_member_caused_stay() {
    let mut world = World::new();
    let id = world.invited();
    world.decline(id);
    world.erase(BEN).expect("granted");
    world.void(id);
    assert_eq!(world.accounts[&ADA].strikes.times().len(), 1);
}

#[test]
fn erasing_somebody_unknown_is_refused() {
    let mut world = World::new();
    let nobody = uuid::Uuid::from_u128(77);
    assert_eq!(world.erase(nobody), Err(Refusal::MemberNotFound));
}
