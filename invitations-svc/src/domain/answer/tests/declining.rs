//! Bans and strikes.

use jiff::SignedDuration;
use uuid::Uuid;

use crate::domain::{
    account::{Account, Restriction, RestrictionKind},
    command::{Act, Answer as How, Operate},
    policy::Policy,
    refusal::Refusal,
    transition::{Answer, AuditAction, EventKind},
    world::{ADA, Address, BEN, CLEO, World},
};

/// Ada's strikes.
fn strikes(world: &World) -> usize {
    world.accounts[&ADA].strikes.times().len()
}

/// Ada invites Ben, who declines; the two begin afresh.
fn decline_and_begin_afresh(world: &mut World) {
    let id = world.invited();
    world.decline(id);
    world.send(BEN, ADA).expect("connected");
    world.disconnect(BEN, ADA).expect("parted");
}

/// As many other members as make `count` strikes, one after the other.
fn strike(world: &mut World, count: u128) {
    for number in 0..count {
        let stranger = Uuid::from_u128(world.now.as_millisecond().unsigned_abs().into());
        world.members.insert(stranger, world.members[&BEN].clone());
        world.accounts.insert(stranger, Account::unused(stranger));
        let mut send = world.a_send(ADA, stranger, Address::Missing);
        send.recipient_email = Some(world.members[&BEN].email.clone());
        let Ok(Answer::Sent(sent)) = world.act(Act::Send(send)) else {
            panic!("strike {number}: not sent");
        };
        world.decline(sent.id);
        world.wait(SignedDuration::from_hours(1));
    }
}

#[test]
fn a_decline_bars_the_inviter_and_is_one_strike() {
    let mut world = World::new();
    let id = world.invited();
    world.decline(id);
    let now = world.now;
    assert_eq!(strikes(&world), 1);
    let side = world.side();
    assert!(side.barred && side.struck_at == Some(now));
    assert_eq!(
        world.kinds(),
        [EventKind::Sent, EventKind::Ignored, EventKind::Declined]
    );
    assert!(!world.events[2].mails, "nobody gets an email");
    world.answer(id, How::Decline).expect("in effect already");
    assert_eq!(strikes(&world), 1);
}

#[test]
fn a_second_decline_by_the_same_recipient_is_no_strike_while_the_first_counts() {
    let mut world = World::new();
    decline_and_begin_afresh(&mut world);
    world.wait(SignedDuration::from_hours(180 * 24) - SignedDuration::from_millis(1));
    decline_and_begin_afresh(&mut world);
    assert_eq!(strikes(&world), 1);
    world.wait(SignedDuration::from_millis(1));
    decline_and_begin_afresh(&mut world);
    assert_eq!(strikes(&world), 2, "the first has ceased to count");
}

#[test]
fn a_ban_that_an_operator_lifts_makes_no_second_strike_possible() {
    let mut world = World::new();
    for _ in 0..3 {
        let id = world.invited();
        world.decline(id);
        world
            .operate(ADA, Operate::LiftBan { recipient_id: BEN })
            .expect("lifted");
    }
    assert_eq!(strikes(&world), 1);
}

#[test]
fn each_recipient_s_decline_is_a_strike_of_its_own() {
    let mut world = World::new();
    for recipient in [BEN, CLEO] {
        let id = world.sent_by(ADA, recipient);
        world.decline(id);
    }
    assert_eq!(strikes(&world), 2);
    assert_eq!(world.accounts[&BEN].strikes, Default::default());
}

#[test]
fn the_fifth_strike_restricts_the_inviter_and_leaves_an_entry_in_the_audit_log() {
    let mut world = World::new();
    strike(&mut world, 4);
    assert_eq!(world.accounts[&ADA].restriction, None);
    assert_eq!(world.audits, []);
    let fifth = world.now;
    strike(&mut world, 1);
    let expected = Restriction {
        kind: RestrictionKind::EmailRequired,
        until: Some(fifth + SignedDuration::from_hours(7 * 24)),
    };
    assert_eq!(world.accounts[&ADA].restriction_at(world.now), Some(expected));
    assert_eq!(world.send(ADA, CLEO), Err(Refusal::EmailRequired));
    let entry = &world.audits[0];
    assert_eq!((entry.member_id, &*entry.actor), (ADA, "ladder"));
    assert_eq!(
        (entry.action, &entry.detail),
        (AuditAction::Restricted, &expected.in_words())
    );
}

#[test]
fn a_restriction_ends_by_itself_and_the_next_one_is_a_step_harder() {
    let mut world = World::new();
    strike(&mut world, 5);
    world.wait_days(7);
    world.sent_by(ADA, CLEO);
    strike(&mut world, 5);
    assert_eq!(world.send(ADA, BEN), Err(Refusal::InvitingRestricted));
    world.wait_days(7);
    world.invited();
    assert_eq!(world.audits.len(), 2);
}

#[test]
fn strikes_under_a_restriction_lead_to_the_next_one() {
    let mut world = World::new();
    strike(&mut world, 10);
    assert_eq!(
        world.accounts[&ADA].restricted(world.now),
        Some(RestrictionKind::Suspended)
    );
}

#[test]
fn entries_of_the_audit_log_have_ids_of_their_own() {
    let mut world = World::with(Policy {
        strikes: 1,
        ladder: vec![Policy::default().ladder[0]],
        ..Policy::default()
    });
    strike(&mut world, 3);
    let mut ids: Vec<Uuid> = world.audits.iter().map(|entry| entry.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}
