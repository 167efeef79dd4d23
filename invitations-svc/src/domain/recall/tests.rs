use uuid::Uuid;

use crate::domain::{
    account::Account,
    command::{Act, Answer as How, Recalled},
    invitation::{Lifecycle, ReceivedState},
    member::InvitationPolicy,
    policy::{AfterDecline, Policy},
    refusal::Refusal,
    transition::{Answer, EventKind},
    world::{ADA, Address, BEN, World},
};

/// What the recipient can have done with Ada's invitation to Ben that is open.
fn folders() -> Vec<(World, Uuid)> {
    let with = |acts: &[How]| {
        let mut world = World::new();
        let id = world.invited();
        for act in acts {
            world.answer(id, act.clone()).expect("granted");
        }
        (world, id)
    };
    let mut barred = World::with(Policy {
        after_decline: AfterDecline::Silent,
        ..Policy::default()
    });
    barred.let_invite(BEN, InvitationPolicy::Nobody);
    let barred_id = barred.invited();
    vec![
        with(&[]),
        with(&[How::Ignore]),
        with(&[How::Ignore, How::Decline]),
        (barred, barred_id),
    ]
}

/// What both recalls come to in every folder, after an act.
fn check(act: impl Fn(&mut World, Uuid), invitation: Result<(), Refusal>, reminders: Result<(), Refusal>) {
    for (mut world, id) in folders() {
        act(&mut world, id);
        for (what, expected) in [
            (Recalled::Invitation, invitation),
            (Recalled::Reminders, reminders),
        ] {
            let decision = world.judge(world.recalling(id, what));
            assert_eq!(decision.answer.map(|_| ()), expected, "{what:?}");
            if expected.is_err() {
                assert_eq!(decision.changes, Default::default());
            }
        }
    }
}

fn withdraw(world: &mut World, id: Uuid) {
    world.recall(id, Recalled::Invitation).expect("granted");
}

#[test]
fn an_open_invitation_can_be_withdrawn_whatever_the_recipient_did() {
    check(|_, _| {}, Ok(()), Ok(()));
}

#[test]
fn withdrawing_again_is_fine_and_changes_nothing() {
    for (mut world, id) in folders() {
        withdraw(&mut world, id);
        let decision = world.judge(world.recalling(id, Recalled::Invitation));
        assert_eq!(decision.answer, Ok(Answer::Sent(world.sent[&id].clone())));
        assert_eq!(decision.changes, Default::default());
    }
    check(withdraw, Ok(()), Err(Refusal::InvitationClosed));
}

#[test]
fn an_accepted_invitation_is_closed() {
    let closed = Err(Refusal::InvitationClosed);
    // Crossing invitations connect from every folder.
    let accept = |world: &mut World, _| drop(world.send(BEN, ADA).expect("connected"));
    check(accept, closed, closed);
}

#[test]
fn an_expired_invitation_cannot_be_recalled_noted_or_not() {
    let expired = Err(Refusal::InvitationExpired);
    check(|world, _| world.wait_days(180), expired, expired);
    let noted = |world: &mut World, _| {
        world.wait_days(180);
        world.look_at_all();
    };
    check(noted, expired, expired);
}

#[test]
fn a_superseded_invitation_has_expired() {
    let expired = Err(Refusal::InvitationExpired);
    let superseded = |world: &mut World, _| {
        world.wait_days(180);
        world.sent_by(BEN, ADA);
    };
    check(superseded, expired, expired);
}

#[test]
fn an_invitation_of_an_erased_recipient_has_vanished() {
    let gone = Err(Refusal::InvitationNotFound);
    check(World::void, gone, gone);
}

#[test]
fn an_erased_inviter_recalls_nothing() {
    let gone = Err(Refusal::InvitationNotFound);
    check(|world, _| drop(world.erase(ADA).expect("granted")), gone, gone);
}

#[test]
fn withdrawing_frees_the_place_and_makes_the_next_send_need_the_address() {
    for (mut world, id) in folders() {
        withdraw(&mut world, id);
        assert_eq!(world.accounts[&ADA].outstanding, 0);
        assert_eq!(world.pair(ADA, BEN).open, None);
        assert_eq!(world.sent[&id].lifecycle, Lifecycle::Withdrawn);
        assert_eq!(world.received[&id].state(world.now), None, "it has vanished");
        assert_eq!(world.send(ADA, BEN), Err(Refusal::EmailRequired));
        world.let_invite(BEN, InvitationPolicy::Everyone);
        world.sent_by(BEN, ADA);
    }
}

#[test]
fn withdrawing_looks_the_same_whatever_the_recipient_did() {
    let seen = folders().into_iter().map(|(mut world, id)| {
        withdraw(&mut world, id);
        let account = Account {
            strikes: Default::default(),
            ..world.accounts[&ADA].clone()
        };
        (world.sent[&id].clone(), account)
    });
    let seen: Vec<_> = seen.collect();
    for other in &seen {
        assert_eq!(*other, seen[0]);
    }
}

#[test]
fn withdrawing_leaves_a_ban_as_it_is() {
    let mut world = World::new();
    let id = world.invited();
    world.decline(id);
    withdraw(&mut world, id);
    let send = world.a_send(ADA, BEN, Address::Right);
    let answer = world.act(Act::Send(send));
    assert_eq!(answer, Err(Refusal::CannotInviteMember));
}

#[test]
fn withdrawing_ends_the_emails_and_owes_none() {
    let mut world = World::new();
    let id = world.invited();
    withdraw(&mut world, id);
    let event = world.events.last().expect("withdrawn");
    assert_eq!((event.kind, event.mails), (EventKind::Withdrawn, true));
}

#[test]
fn stopping_reminders_leaves_the_invitation_open_and_is_done_once() {
    for (mut world, id) in folders() {
        let before = world.sent[&id].clone();
        let state = world.received[&id].state(world.now);
        for _ in 0..2 {
            let answer = world.recall(id, Recalled::Reminders);
            assert_eq!(answer, Ok(Answer::Sent(before.clone())));
        }
        let kinds = world.kinds();
        let stopped = |kind: &&EventKind| **kind == EventKind::RemindersStopped;
        assert_eq!(kinds.iter().filter(stopped).count(), 1);
        assert_eq!(world.received[&id].state(world.now), state);
        assert_eq!(world.received[&id].due_at, Some(before.expires_at));
    }
}

#[test]
fn the_recipient_sees_a_pending_invitation_without_reminders_as_before() {
    let mut world = World::new();
    let id = world.invited();
    world.recall(id, Recalled::Reminders).expect("granted");
    assert_eq!(world.received[&id].state(world.now), Some(ReceivedState::Pending));
    world.answer(id, How::Accept).expect("granted");
}
