use uuid::Uuid;

use crate::domain::{
    command::{Answer as How, Recalled},
    refusal::Refusal,
    world::{ADA, BEN, World},
};

fn acts() -> [How; 5] {
    [
        How::Accept,
        How::Reply("hm".to_owned()),
        How::Ignore,
        How::Restore,
        How::Decline,
    ]
}

/// What each act, by somebody who saw the state `seen`, is refused with.
fn check(world: &World, id: Uuid, seen: i64, refusal: Refusal) {
    for act in acts() {
        let decision = world.judge(world.answering(id, act.clone(), Some(seen)));
        assert_eq!(decision.answer, Err(refusal), "{act:?}");
        assert_eq!(decision.changes, Default::default());
    }
}

#[test]
fn an_act_on_what_the_member_saw_is_granted() {
    let mut world = World::new();
    let id = world.invited();
    for act in [How::Ignore, How::Decline] {
        let seen = world.received[&id].sequence;
        let answering = world.answering(id, act, Some(seen));
        world.act(answering).expect("granted");
    }
}

#[test]
fn an_act_on_an_invitation_that_has_changed_since_is_refused() {
    let mut world = World::new();
    let id = world.invited();
    let changes: [fn(&mut World, Uuid); 5] = [
        |world, id| drop(world.answer(id, How::Ignore).expect("granted")),
        |world, id| drop(world.answer(id, How::Restore).expect("granted")),
        |world, id| drop(world.recall(id, Recalled::Reminders).expect("granted")),
        |world, _| drop(world.send(ADA, BEN).expect("resent")),
        |world, id| world.decline(id),
    ];
    for change in changes {
        let seen = world.received[&id].sequence;
        change(&mut world, id);
        check(&world, id, seen, Refusal::EtagMismatch);
    }
}

#[test]
fn an_invitation_that_vanished_is_not_found_whatever_the_member_saw() {
    let mut world = World::new();
    let id = world.invited();
    world.recall(id, Recalled::Invitation).expect("granted");
    for seen in [1, 2, 77] {
        check(&world, id, seen, Refusal::InvitationNotFound);
    }
}

#[test]
fn that_a_worker_notes_the_expiry_makes_no_difference_to_whoever_saw_it_before() {
    let mut world = World::new();
    let id = world.invited();
    let seen = world.received[&id].sequence;
    world.wait_days(180);
    check(&world, id, seen, Refusal::InvitationExpired);
    world.look_at_all();
    check(&world, id, seen, Refusal::InvitationExpired);
}
