use crate::domain::{
    command::{Act, Answer as How, Operate, Recalled},
    invitation::{Folder, Lifecycle},
    policy::{AfterDecline, Policy},
    refusal::Refusal,
    transition::Answer,
    world::{ADA, Address, BEN, World},
};

fn declined() -> World {
    let mut world = World::new();
    let id = world.invited();
    world.decline(id);
    world
}

fn check_barred(world: &mut World) {
    let send = world.a_send(ADA, BEN, Address::Right);
    assert_eq!(world.act(Act::Send(send)), Err(Refusal::CannotInviteMember));
}

#[test]
fn a_ban_outlives_the_expiry() {
    let mut world = declined();
    world.wait_days(180);
    check_barred(&mut world);
    world.look_at_all();
    check_barred(&mut world);
}

#[test]
fn a_ban_outlives_the_withdrawal() {
    let mut world = declined();
    let id = world.pair(ADA, BEN).open.expect("pending for the inviter").id;
    world.recall(id, Recalled::Invitation).expect("withdrawn");
    check_barred(&mut world);
}

#[test]
fn a_ban_holds_in_one_direction_only() {
    let mut world = declined();
    world.wait_days(180);
    world.sent_by(BEN, ADA);
}

#[test]
fn whoever_invites_the_one_they_declined_is_connected_with_them() {
    let mut world = declined();
    let answer = world.send(BEN, ADA);
    assert!(matches!(answer, Ok(Answer::Connected(_))), "{answer:?}");
    assert!(world.pair(ADA, BEN).connected_at.is_some());
}

#[test]
fn whoever_invites_the_one_they_declined_lifts_the_ban_when_nothing_is_open() {
    let mut world = declined();
    world.wait_days(180);
    let theirs = world.sent_by(BEN, ADA);
    world.wait_days(180);
    let own = world.invited();
    assert_ne!(own, theirs);
    assert_eq!(world.received[&own].folder, Folder::Inbox);
}

#[test]
fn an_operator_lifts_a_ban() {
    let mut world = declined();
    world
        .operate(ADA, Operate::LiftBan { recipient_id: BEN })
        .expect("lifted");
    world.invited();
}

#[test]
fn connecting_and_parting_lifts_a_ban() {
    let mut world = declined();
    world.send(BEN, ADA).expect("connected");
    world.disconnect(ADA, BEN).expect("parted");
    world.invited();
}

#[test]
fn a_silent_invitation_is_met_by_an_invitation_of_its_recipient() {
    let mut world = World::with(Policy {
        after_decline: AfterDecline::Silent,
        ..Policy::default()
    });
    let first = world.invited();
    world.decline(first);
    world.wait_days(180);
    let second = world.invited();
    assert_eq!(world.received[&second].folder, Folder::Barred);
    assert_eq!(
        world.answer(second, How::Accept),
        Err(Refusal::InvitationNotFound)
    );
    world.send(BEN, ADA).expect("connected");
    assert_eq!(world.received[&second].lifecycle, Lifecycle::Accepted);
    assert!(!world.events.last().expect("accepted").hidden);
}
