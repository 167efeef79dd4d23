use jiff::SignedDuration;

use crate::domain::{
    command::{Act, Answer as How, Recalled, Received as Target},
    invitation::{Lifecycle, ReceivedState, SentState},
    member::InvitationPolicy,
    policy::{AfterDecline, Policy},
    transition::{Answer, EventKind},
    world::{ADA, BEN, CLEO, World},
};

#[test]
fn an_invitation_expires_exactly_180_days_after_its_last_send_whatever_the_folder() {
    for acts in [
        vec![],
        vec![How::Ignore],
        vec![How::Ignore, How::Restore],
        vec![How::Ignore, How::Decline],
    ] {
        let mut world = World::new();
        let id = world.invited();
        for act in acts {
            world.answer(id, act).expect("granted");
        }
        world.wait(SignedDuration::from_hours(180 * 24) - SignedDuration::from_millis(1));
        assert_eq!(world.sent[&id].state(world.now), Some(SentState::Pending));
        assert_ne!(world.received[&id].state(world.now), Some(ReceivedState::Expired));
        world.look(id);
        assert_eq!(world.received[&id].lifecycle, Lifecycle::Pending);
        world.wait(SignedDuration::from_millis(1));
        assert_eq!(world.sent[&id].state(world.now), Some(SentState::Expired));
        assert_eq!(world.received[&id].state(world.now), Some(ReceivedState::Expired));
    }
}

#[test]
fn noting_the_expiry_frees_the_place_ends_the_emails_and_is_done_once() {
    let mut world = World::new();
    let id = world.invited();
    world.wait_days(180);
    let [event] = &world.look(id)[..] else {
        panic!("one event")
    };
    assert_eq!(
        (event.kind, event.sequence, event.mails),
        (EventKind::Expired, 2, true)
    );
    assert_eq!(world.accounts[&ADA].outstanding, 0);
    assert_eq!(world.pair(ADA, BEN).open, None);
    let rows = (&world.sent[&id].lifecycle, &world.received[&id].lifecycle);
    assert_eq!(rows, (&Lifecycle::Expired, &Lifecycle::Expired));
    assert_eq!(world.received[&id].due_at, None);
    assert_eq!(world.look(id), []);
}

#[test]
fn nobody_learns_that_an_invitation_expired_which_reached_nobody() {
    let mut world = World::with(Policy {
        after_decline: AfterDecline::Silent,
        ..Policy::default()
    });
    world.let_invite(BEN, InvitationPolicy::Nobody);
    let id = world.invited();
    world.wait_days(180);
    assert!(world.look(id)[0].hidden);
    assert_eq!(world.received[&id].state(world.now), None);
    assert_eq!(world.sent[&id].state(world.now), Some(SentState::Expired));
}

#[test]
fn an_expired_invitation_takes_no_place_before_a_worker_noted_it() {
    let mut world = World::with(Policy {
        quota_outstanding: 1,
        ..Policy::default()
    });
    world.invited();
    world.send(ADA, CLEO).expect_err("full");
    world.wait_days(180);
    world.sent_by(ADA, CLEO);
}

#[test]
fn an_open_invitation_of_an_erased_member_becomes_void_and_vanishes_for_both() {
    for overdue in [0, 180] {
        let mut world = World::new();
        let id = world.invited();
        world.erase(BEN).expect("granted");
        world.wait_days(overdue);
        world.void(id);
        assert_eq!(world.sent[&id].state(world.now), None);
        assert_eq!(world.received[&id].state(world.now), None);
        assert_eq!(world.accounts[&ADA].outstanding, 0);
        assert_eq!(world.pair(ADA, BEN).open, None);
        assert_eq!(world.kinds(), [EventKind::Sent, EventKind::Voided]);
    }
}

#[test]
fn only_open_invitations_become_void() {
    let ends: [fn(&mut World, uuid::Uuid); 3] = [
        |world, id| drop(world.answer(id, How::Accept).expect("granted")),
        |world, id| drop(world.recall(id, Recalled::Invitation).expect("granted")),
        |world, id| {
            world.wait_days(180);
            world.look(id);
        },
    ];
    for end in ends {
        let mut world = World::new();
        let id = world.invited();
        end(&mut world, id);
        let target = Target {
            recipient_id: BEN,
            invitation_id: id,
        };
        let decision = world.judge(Act::Void(target));
        assert_eq!(decision.answer, Ok(Answer::Done));
        assert_eq!(decision.changes, Default::default());
    }
}
