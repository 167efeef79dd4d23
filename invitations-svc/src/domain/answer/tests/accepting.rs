use crate::domain::{
    account::RestrictionKind,
    command::{Answer as How, Operate},
    invitation::Lifecycle,
    pair::PairKey,
    policy::Policy,
    refusal::Refusal,
    transition::EventKind,
    world::{ADA, BEN, World},
};

#[test]
fn an_accept_connects_the_two_and_frees_the_inviter_s_place() {
    let mut world = World::new();
    let id = world.invited();
    world.answer(id, How::Accept).expect("granted");
    assert!(world.connections.contains(&PairKey::of(ADA, BEN)));
    assert_eq!(world.pair(ADA, BEN).connected_at, Some(world.now));
    assert_eq!(world.pair(ADA, BEN).open, None);
    assert_eq!([ADA, BEN].map(|id| world.accounts[&id].connections), [1, 1]);
    assert_eq!(world.accounts[&ADA].outstanding, 0);
    assert_eq!(world.sent[&id].lifecycle, Lifecycle::Accepted);
    assert_eq!(world.received[&id].due_at, None, "nothing is due any more");
}

#[test]
fn accepting_twice_connects_once_with_one_email() {
    let mut world = World::new();
    let id = world.invited();
    for _ in 0..2 {
        world.answer(id, How::Accept).expect("granted");
    }
    assert_eq!(world.kinds(), [EventKind::Sent, EventKind::Accepted]);
    assert_eq!(world.accounts[&ADA].connections, 1);
}

#[test]
fn nobody_gets_more_connections_than_a_member_may_have_on_either_side() {
    for full in [ADA, BEN] {
        let mut world = World::with(Policy {
            max_connections: 3,
            ..Policy::default()
        });
        let id = world.invited();
        world.account(full).connections = 3;
        for _ in 0..2 {
            assert_eq!(
                world.answer(id, How::Accept),
                Err(Refusal::ConnectionLimitReached)
            );
            assert_eq!(world.send(BEN, ADA), Err(Refusal::ConnectionLimitReached));
            world.answer(id, How::Ignore).expect("it stays open");
        }
        world.account(full).connections = 2;
        world.answer(id, How::Accept).expect("there is room");
    }
}

#[test]
fn a_restricted_member_s_invitation_stays_answerable_with_its_email() {
    let mut world = World::new();
    let id = world.invited();
    let what = Operate::Impose {
        kind: RestrictionKind::Suspended,
        length: None,
    };
    world.operate(ADA, what).expect("granted");
    world
        .answer(id, How::Reply("hello?".to_owned()))
        .expect("granted");
    world.answer(id, How::Accept).expect("granted");
    let accepted = world.events.last().expect("accepted");
    assert_eq!((accepted.kind, accepted.mails), (EventKind::Accepted, true));
}

#[test]
fn an_accepted_invitation_connects_nobody_once_the_two_have_parted() {
    let mut world = World::new();
    let id = world.invited();
    world.answer(id, How::Accept).expect("granted");
    world.disconnect(BEN, ADA).expect("granted");
    assert_eq!(world.answer(id, How::Accept), Err(Refusal::InvitationClosed));
    assert_eq!(world.pair(ADA, BEN).connected_at, None);
    world.wait_days(1);
    let anew = world.invited();
    world.answer(anew, How::Accept).expect("granted");
    world.answer(anew, How::Accept).expect("in effect already");
    assert_eq!(world.answer(id, How::Accept), Err(Refusal::InvitationClosed));
}
