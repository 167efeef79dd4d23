//! Two worlds that differ only in what Ben did in private with Ada's invitations are one to Ada.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::{ADA, Address, BEN, CLEO, World, steps::waits};
use crate::domain::{
    account::Account,
    command::{Act, Answer as How, Ending, Recalled},
    invitation::{Sent, SentState},
    pair::{Open, Side},
    policy::{AfterDecline, Policy},
    refusal::Refusal,
    transition::{Answer, EventKind},
};

#[derive(Debug, Clone)]
enum Step {
    /// Ada's, Ben's or Cleo's, in both worlds.
    Send(Uuid, Uuid, Address),
    Recall(Recalled),
    Disconnect(Uuid),
    /// Ben's, in both worlds, where both grant it.
    Answer(How),
    /// Ben's, in the second world only.
    InPrivate(Vec<How>),
    Wait(SignedDuration),
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sends = prop::sample::select(vec![
        (ADA, BEN),
        (ADA, BEN),
        (ADA, BEN),
        (BEN, ADA),
        (ADA, CLEO),
        (CLEO, ADA),
    ]);
    let address = prop::sample::select(vec![Address::Missing, Address::Wrong, Address::Right]);
    let in_private = prop::sample::select(vec![
        vec![How::Ignore],
        vec![How::Restore],
        vec![How::Ignore, How::Decline],
    ]);
    let step = prop_oneof![
        6 => (sends, address).prop_map(|((from, to), address)| Step::Send(from, to, address)),
        1 => prop::sample::select(vec![Recalled::Invitation, Recalled::Reminders]).prop_map(Step::Recall),
        1 => prop::sample::select(vec![ADA, BEN]).prop_map(Step::Disconnect),
        1 => prop::sample::select(vec![How::Accept, How::Reply("hm".to_owned())]).prop_map(Step::Answer),
        5 => in_private.prop_map(Step::InPrivate),
        4 => waits().prop_map(Step::Wait),
        2 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..60)
}

/// All that Ada, or a client acting for her, can ever read.
#[derive(Debug, PartialEq)]
struct Seen {
    sent: Vec<(Sent, Option<SentState>)>,
    account: Account,
    side: Side,
    open: Option<Open>,
    connected_at: Option<Timestamp>,
    events: Vec<(EventKind, Uuid, Timestamp, String)>,
}

fn seen(world: &World) -> Seen {
    let own = |row: &&Sent| row.inviter_id == ADA;
    let pair = world.pair(ADA, BEN);
    let is_shown = |kind: EventKind| match kind {
        EventKind::Sent
        | EventKind::Resent
        | EventKind::Accepted
        | EventKind::Replied
        | EventKind::Withdrawn
        | EventKind::Expired
        | EventKind::Voided
        | EventKind::Disconnected
        | EventKind::RemindersStopped => true,
        // What the recipient does in private, and what only they get.
        EventKind::Ignored | EventKind::Restored | EventKind::Declined | EventKind::Reminded => false,
    };
    let events = world
        .events
        .iter()
        .filter(|event| is_shown(event.kind) && [event.inviter_id, event.recipient_id].contains(&ADA));
    Seen {
        sent: world
            .sent
            .values()
            .filter(own)
            .map(|row| (row.clone(), row.state(world.now)))
            .collect(),
        // Strikes come to light in restrictions, which are a matter of their own.
        account: Account {
            strikes: Default::default(),
            ..world.accounts[&ADA].clone()
        },
        side: Side {
            barred: false,
            struck_at: None,
            ..pair.from(ADA).clone()
        },
        open: pair.open,
        connected_at: pair.connected_at,
        events: events
            .map(|event| {
                (
                    event.kind,
                    event.invitation_id,
                    event.happened_at,
                    event.text.clone(),
                )
            })
            .collect(),
    }
}

fn check(after_decline: AfterDecline, steps: &[Step]) {
    let mut plain = World::with(Policy {
        after_decline,
        quota_day: 8,
        quota_outstanding: 2,
        strikes: usize::MAX,
        ..Policy::default()
    });
    let mut other = plain.clone();
    for step in steps {
        match step {
            Step::Wait(length) => {
                plain.wait(*length);
                other.wait(*length);
            }
            Step::Look => {
                plain.look_at_all();
                other.look_at_all();
            }
            Step::InPrivate(acts) => {
                if let Some(id) = invitation(&plain) {
                    for act in acts {
                        let _ = other.answer(id, act.clone());
                    }
                }
            }
            Step::Answer(how) => {
                let Some(id) = invitation(&plain) else { continue };
                let act = plain.answering(id, how.clone(), None);
                let grants = |world: &World| world.judge(act.clone()).answer.is_ok();
                if grants(&plain) && grants(&other) {
                    plain.act(act.clone()).expect("judged");
                    other.act(act).expect("judged");
                }
            }
            Step::Send(..) | Step::Recall(_) | Step::Disconnect(_) => {
                let Some(act) = act_of(&mut plain, step) else {
                    continue;
                };
                let (one, two) = (plain.act(act.clone()), other.act(act));
                let refused = Err(Refusal::CannotInviteMember);
                if after_decline == AfterDecline::Refuse && two == refused && one != refused {
                    // The one exception of the contract.
                    return;
                }
                assert_eq!(one, two, "{step:?}");
            }
        }
        assert_eq!(seen(&plain), seen(&other), "{step:?}");
    }
}

/// The invitation of Ada to Ben that is pending.
fn invitation(world: &World) -> Option<Uuid> {
    let to_ben = |row: &&Sent| row.recipient_id == BEN;
    world.pending_of(ADA).find(to_ben).map(|row| row.id)
}

fn act_of(world: &mut World, step: &Step) -> Option<Act> {
    match step {
        Step::Send(from, to, address) => Some(Act::Send(world.a_send(*from, *to, *address))),
        Step::Recall(what) => invitation(world).map(|id| world.recalling(id, *what)),
        Step::Disconnect(ADA) => Some(world.a_disconnect(ADA, BEN, Ending::Removed)),
        Step::Disconnect(member_id) => Some(world.a_disconnect(*member_id, ADA, Ending::Removed)),
        Step::Answer(_) | Step::InPrivate(_) | Step::Wait(_) | Step::Look => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn under_silent_the_inviter_never_learns_what_the_recipient_did(steps in steps()) {
        check(AfterDecline::Silent, &steps);
    }

    #[test]
    fn under_refuse_the_inviter_learns_it_from_a_refused_send_only(steps in steps()) {
        check(AfterDecline::Refuse, &steps);
    }
}

#[test]
fn the_two_worlds_are_told_apart_by_the_recipient() {
    let mut plain = World::new();
    let id = plain.invited();
    let mut other = plain.clone();
    other.decline(id);
    assert_ne!(plain.received, other.received);
    assert_eq!(seen(&plain), seen(&other));
    let accept = |world: &mut World| world.answer(id, How::Accept);
    assert!(matches!(accept(&mut plain), Ok(Answer::Received(_))));
    assert_eq!(accept(&mut other), Err(Refusal::InvitationDeclined));
}
