use jiff::SignedDuration;

use crate::domain::{
    command::{Act, Answer as How, Operate, Recalled},
    invitation::{Folder, Lifecycle, SentState},
    member::InvitationPolicy,
    policy::{AfterDecline, Policy},
    refusal::Refusal,
    transition::EventKind,
    world::{ADA, Address, BEN, World},
};

fn silent() -> World {
    World::with(Policy {
        after_decline: AfterDecline::Silent,
        ..Policy::default()
    })
}

/// Whether the last transition owes an email or ends one.
fn mails(world: &World) -> bool {
    world.events.last().expect("something happened").mails
}

#[test]
fn a_resend_keeps_the_id_and_renews_note_and_expiry() {
    let mut world = World::new();
    let id = world.invited();
    let first = world.sent[&id].clone();
    world.wait_days(100);
    assert_eq!(world.invited(), id);
    let again = &world.sent[&id];
    assert_ne!(again.note, first.note);
    assert_eq!(
        again.expires_at,
        first.expires_at + SignedDuration::from_hours(100 * 24)
    );
    world.wait_days(179);
    assert_eq!(world.sent[&id].state(world.now), Some(SentState::Pending));
    assert_eq!(world.accounts[&ADA].outstanding, 1);
}

#[test]
fn a_resend_puts_it_back_into_the_inbox_with_the_new_note() {
    for (before, acts) in [
        (Folder::Inbox, vec![]),
        (Folder::Archived, vec![How::Ignore]),
        (Folder::Inbox, vec![How::Ignore, How::Restore]),
    ] {
        let mut world = World::new();
        let id = world.invited();
        for act in acts {
            world.answer(id, act).expect("granted");
        }
        assert_eq!(world.received[&id].folder, before);
        world.invited();
        let row = &world.received[&id];
        assert_eq!((row.folder, &row.note), (Folder::Inbox, &world.sent[&id].note));
    }
}

#[test]
fn a_resend_after_the_ban_was_lifted_puts_a_declined_invitation_back_into_the_inbox() {
    let mut world = World::new();
    let id = world.invited();
    world.decline(id);
    world
        .operate(ADA, Operate::LiftBan { recipient_id: BEN })
        .expect("lifted");
    assert_eq!(
        world.received[&id].folder,
        Folder::Declined,
        "until it is sent again"
    );
    assert_eq!(world.invited(), id);
    assert_eq!(world.received[&id].folder, Folder::Inbox);
}

#[test]
fn a_decline_again_after_the_ban_was_lifted_bars_again_without_another_strike() {
    let mut world = World::new();
    let id = world.invited();
    world.decline(id);
    let strikes = world.accounts[&ADA].strikes.clone();
    world
        .operate(ADA, Operate::LiftBan { recipient_id: BEN })
        .expect("lifted");
    world.answer(id, How::Decline).expect("granted");
    assert_eq!(world.send(ADA, BEN), Err(Refusal::CannotInviteMember));
    assert_eq!(world.accounts[&ADA].strikes, strikes);
}

#[test]
fn a_resend_emails_again_once_the_last_initial_email_is_a_day_old() {
    let mut world = World::new();
    world.invited();
    world.wait(SignedDuration::from_hours(24) - SignedDuration::from_millis(1));
    world.invited();
    assert!(!mails(&world));
    world.wait(SignedDuration::from_millis(1));
    world.invited();
    assert!(
        mails(&world),
        "the resend between owed none, so it does not count"
    );
}

#[test]
fn what_the_recipient_did_does_not_change_when_a_resend_emails_again() {
    for (hours, expected) in [(23, false), (24, true)] {
        let mut world = World::new();
        let id = world.invited();
        world.answer(id, How::Ignore).expect("granted");
        world.answer(id, How::Restore).expect("granted");
        world.wait(SignedDuration::from_hours(hours));
        world.invited();
        assert_eq!(mails(&world), expected);
    }
}

#[test]
fn a_pair_bears_three_sends_in_180_days_and_the_fourth_at_the_end_of_the_180th() {
    let mut world = World::new();
    for _ in 0..3 {
        world.invited();
        world.wait_days(1);
    }
    world.wait(SignedDuration::from_hours(24 * 177) - SignedDuration::from_millis(1));
    assert_eq!(world.send(ADA, BEN), Err(Refusal::InvitationAlreadySent));
    world.wait(SignedDuration::from_millis(1));
    world.invited();
}

#[test]
fn a_wrong_address_costs_a_unit_and_a_missing_one_does_not() {
    let mut world = World::new();
    world.let_invite(BEN, InvitationPolicy::KnowsMyEmail);
    for (address, lifetime_sends) in [(Address::Missing, 0), (Address::Wrong, 1), (Address::Right, 2)] {
        let send = world.a_send(ADA, BEN, address);
        let answer = world.act(Act::Send(send));
        assert_eq!(answer.is_ok(), address == Address::Right);
        if let Err(refusal) = answer {
            assert_eq!(refusal, Refusal::EmailRequired);
        }
        assert_eq!(world.accounts[&ADA].lifetime_sends, lifetime_sends);
    }
}

#[test]
fn after_a_withdrawal_every_send_to_the_pair_needs_the_address() {
    let mut world = World::new();
    let id = world.invited();
    world.recall(id, Recalled::Invitation).expect("withdrawn");
    for _ in 0..2 {
        assert_eq!(world.send(ADA, BEN), Err(Refusal::EmailRequired));
        let send = world.a_send(ADA, BEN, Address::Right);
        world.act(Act::Send(send)).expect("sent");
    }
    assert_eq!(world.kinds().last(), Some(&EventKind::Resent));
}

#[test]
fn a_silent_send_lies_nowhere_and_owes_nothing() {
    let mut world = silent();
    world.let_invite(BEN, InvitationPolicy::Nobody);
    let id = world.invited();
    assert_eq!(world.sent[&id].state(world.now), Some(SentState::Pending));
    assert_eq!(world.received[&id].state(world.now), None);
    assert!(!mails(&world) && world.events[0].hidden);
    world.wait_days(30);
    assert_eq!(world.look(id), [], "no reminders");
}

#[test]
fn a_silent_invitation_is_delivered_by_the_first_send_that_nothing_stands_against() {
    let mut world = silent();
    world.let_invite(BEN, InvitationPolicy::Nobody);
    let id = world.invited();
    world.let_invite(BEN, InvitationPolicy::Everyone);
    assert_eq!(world.invited(), id);
    assert_eq!(world.received[&id].folder, Folder::Inbox);
    assert!(
        mails(&world),
        "the recipient never had an email, however young the first send"
    );
}

#[test]
fn a_silent_resend_leaves_the_recipient_s_text_and_folder_as_they_are() {
    let mut world = silent();
    let id = world.invited();
    world.decline(id);
    let before = world.received[&id].clone();
    world.wait_days(2);
    assert_eq!(world.invited(), id);
    let after = &world.received[&id];
    assert_eq!((after.folder, &after.note), (before.folder, &before.note));
    assert_eq!(after.sent_at, before.sent_at);
    assert_eq!(after.expires_at, world.sent[&id].expires_at, "they end together");
    assert!(!mails(&world));
}

#[test]
fn a_silent_resend_without_reminders_ends_them() {
    let mut world = silent();
    let id = world.invited();
    world.let_invite(BEN, InvitationPolicy::Nobody);
    let mut send = world.a_send(ADA, BEN, Address::Missing);
    send.reminders = false;
    world.act(Act::Send(send)).expect("looks sent");
    world.wait_days(30);
    assert_eq!(world.look(id), []);
    assert_eq!(world.received[&id].lifecycle, Lifecycle::Pending);
}
