use std::time::Duration;

use crate::domain::{
    account::RestrictionKind,
    command::{Operate, Recalled},
    policy::Policy,
    refusal::Refusal,
    transition::{Answer, AuditAction},
    world::{ADA, BEN, CLEO, World},
};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const LIFT: Operate = Operate::Lift {
    forget_strikes: false,
};
const FORGET: Operate = Operate::Lift { forget_strikes: true };

fn impose(kind: RestrictionKind) -> Operate {
    Operate::Impose {
        kind,
        length: Some(WEEK),
    }
}

/// Ada, whom Ben declined.
fn declined() -> World {
    let mut world = World::new();
    let id = world.invited();
    world.decline(id);
    world
}

/// The last entry of the audit log, whose facts about the operator are as they should be.
fn last_entry(world: &World) -> (AuditAction, &str) {
    let entry = world.audits.last().expect("every change leaves one");
    assert_eq!(
        (entry.member_id, &*entry.actor, entry.note.as_str()),
        (ADA, "desk", "ticket 7")
    );
    (entry.action, &entry.detail)
}

#[test]
fn granted_sends_are_spent_once_the_quota_is() {
    let mut world = World::with(Policy {
        quota_day: 1,
        ..Policy::default()
    });
    world.operate(ADA, Operate::Grant { count: 1 }).expect("granted");
    assert_eq!(
        last_entry(&world),
        (AuditAction::QuotaGranted, "1 granted, 1 left")
    );
    world.invited();
    assert_eq!(world.accounts[&ADA].granted, 1);
    world.sent_by(ADA, CLEO);
    assert_eq!(world.send(ADA, BEN), Err(Refusal::InvitationLimitReached));
}

#[test]
fn grants_add_up_and_never_overflow() {
    let mut world = World::new();
    for count in [3, 4, usize::MAX] {
        world.operate(ADA, Operate::Grant { count }).expect("granted");
    }
    assert_eq!(world.accounts[&ADA].granted, 1_000_000);
    assert!(world.audits[1].detail.ends_with("7 left"));
}

#[test]
fn a_restriction_by_hand_holds_for_its_time_and_strikes_count_from_there() {
    let mut world = declined();
    world
        .operate(ADA, impose(RestrictionKind::Suspended))
        .expect("granted");
    assert_eq!(last_entry(&world).0, AuditAction::Restricted);
    assert_eq!(world.accounts[&ADA].strikes, Default::default());
    assert_eq!(world.send(ADA, CLEO), Err(Refusal::InvitingRestricted));
    world.wait_days(7);
    world.sent_by(ADA, CLEO);
}

#[test]
fn an_operator_may_make_a_restriction_milder() {
    let mut world = World::new();
    for kind in [RestrictionKind::Suspended, RestrictionKind::EmailRequired] {
        world.operate(ADA, impose(kind)).expect("granted");
    }
    assert_eq!(world.send(ADA, BEN), Err(Refusal::EmailRequired));
}

#[test]
fn lifting_a_restriction_leaves_the_strikes_unless_they_are_to_be_forgotten() {
    let mut world = World::new();
    world
        .operate(ADA, impose(RestrictionKind::Suspended))
        .expect("granted");
    world.operate(ADA, LIFT).expect("granted");
    let id = world.invited();
    world.decline(id);
    world.operate(ADA, LIFT).expect("in effect already");
    assert_eq!(world.audits.len(), 2, "which leaves no entry");
    assert_eq!(world.accounts[&ADA].strikes.times().len(), 1);
    world.account(ADA).ladder_step = 2;
    world.operate(ADA, FORGET).expect("granted");
    let account = &world.accounts[&ADA];
    assert_eq!((account.strikes.times().len(), account.ladder_step), (0, 0));
    assert_eq!(
        last_entry(&world),
        (AuditAction::RestrictionLifted, "strikes and ladder begin anew")
    );
}

#[test]
fn the_audit_log_says_what_was_lifted() {
    let mut world = World::new();
    let what = Operate::Impose {
        kind: RestrictionKind::Suspended,
        length: None,
    };
    world.operate(ADA, what).expect("granted");
    world.operate(ADA, LIFT).expect("granted");
    assert_eq!(last_entry(&world).1, "was: suspended until lifted");
    world
        .operate(ADA, impose(RestrictionKind::Suspended))
        .expect("granted");
    world.wait_days(8);
    world.operate(ADA, LIFT).expect("granted");
    assert_eq!(last_entry(&world).1, "it had ended");
}

#[test]
fn lifting_a_ban_lifts_what_a_withdrawal_left_too() {
    let mut world = declined();
    let id = world.pair(ADA, BEN).open.expect("pending").id;
    world.recall(id, Recalled::Invitation).expect("withdrawn");
    let lift = Operate::LiftBan { recipient_id: BEN };
    world.operate(ADA, lift).expect("granted");
    let (action, detail) = last_entry(&world);
    assert_eq!(action, AuditAction::BanLifted);
    assert!(detail.starts_with("decline and withdrawal"), "{detail}");
    world.operate(ADA, lift).expect("in effect already");
    assert_eq!(world.audits.len(), 1);
    world.invited();
}

#[test]
fn lifting_a_ban_between_strangers_is_fine_and_changes_nothing() {
    let mut world = World::new();
    let lift = Operate::LiftBan { recipient_id: CLEO };
    assert_eq!(world.operate(ADA, lift), Ok(Answer::Done));
    assert!(world.pairs.is_empty() && world.audits.is_empty());
}

#[test]
fn lifting_a_ban_is_for_one_direction() {
    let mut world = declined();
    world
        .operate(BEN, Operate::LiftBan { recipient_id: ADA })
        .expect("in effect already");
    assert_eq!(world.send(ADA, BEN), Err(Refusal::CannotInviteMember));
}

#[test]
fn nothing_is_done_to_members_who_are_erased_or_unknown() {
    let mut world = World::new();
    world.erase(BEN).expect("granted");
    for member in [BEN, uuid::Uuid::from_u128(77)] {
        for what in [
            Operate::Grant { count: 1 },
            impose(RestrictionKind::Suspended),
            LIFT,
        ] {
            assert_eq!(world.operate(member, what), Err(Refusal::MemberNotFound));
        }
    }
}
