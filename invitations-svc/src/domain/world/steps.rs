//! What three members, operators and workers do, at random.

use std::time::Duration;

use jiff::SignedDuration;
use proptest::{prelude::*, sample::Index};
use uuid::Uuid;

use super::{ADA, Address, BEN, CLEO, World};
use crate::domain::{
    account::RestrictionKind,
    command::{Act, Answer as How, Ending, Erase, Operate, Operation, Recalled},
    member::{InvitationPolicy, Member},
    pair::PairKey,
    policy::{AfterDecline, Policy, Rung},
};

#[derive(Debug, Clone)]
pub(super) enum Step {
    Send {
        from: Uuid,
        to: Uuid,
        address: Address,
        reminders: bool,
    },
    Answer(Index, How),
    Recall(Index, Recalled),
    Disconnect(Uuid, Uuid),
    Wait(SignedDuration),
    Look(Index),
    LetInvite(Uuid, InvitationPolicy),
    Operate(Uuid, Operate),
    Erase(Uuid),
    /// A worker ends something that an erased member left.
    CleanUp,
}

pub(super) fn members() -> impl Strategy<Value = (Uuid, Uuid)> {
    // Most is between two of them, so that it has consequences.
    prop_oneof![
        3 => Just((ADA, BEN)),
        2 => Just((BEN, ADA)),
        1 => prop::sample::select(vec![(ADA, CLEO), (CLEO, ADA), (BEN, CLEO), (CLEO, BEN)]),
    ]
}

fn answer() -> impl Strategy<Value = How> {
    prop::sample::select(vec![
        How::Accept,
        How::Reply("hm".to_owned()),
        How::Ignore,
        How::Ignore,
        How::Restore,
        How::Decline,
        How::Decline,
    ])
}

fn operate() -> impl Strategy<Value = Operate> {
    let kind = prop::sample::select(vec![RestrictionKind::EmailRequired, RestrictionKind::Suspended]);
    let length = prop::option::of((1u64..20).prop_map(|days| Duration::from_secs(days * 24 * 60 * 60)));
    prop_oneof![
        (1usize..3).prop_map(|count| Operate::Grant { count }),
        (kind, length).prop_map(|(kind, length)| Operate::Impose { kind, length }),
        any::<bool>().prop_map(|forget_strikes| Operate::Lift { forget_strikes }),
        prop::sample::select(vec![ADA, BEN, CLEO]).prop_map(|recipient_id| Operate::LiftBan { recipient_id }),
    ]
}

pub(super) fn waits() -> impl Strategy<Value = SignedDuration> {
    let hours = prop_oneof![4 => 1i64..60, 2 => 60i64..24 * 24, 1 => 170 * 24i64..=181 * 24];
    hours.prop_map(SignedDuration::from_hours)
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    use InvitationPolicy::{Everyone, KnowsMyEmail, Nobody};
    let member = || prop::sample::select(vec![ADA, BEN, CLEO]);
    let which = any::<Index>;
    let address = prop::sample::select(vec![Address::Missing, Address::Wrong, Address::Right]);
    let recalled = prop::sample::select(vec![Recalled::Invitation, Recalled::Reminders]);
    let accepts = prop::sample::select(vec![Everyone, Everyone, KnowsMyEmail, Nobody]);
    let send = (members(), address, any::<bool>()).prop_map(|((from, to), address, reminders)| Step::Send {
        from,
        to,
        address,
        reminders,
    });
    let step = prop_oneof![
        16 => send,
        16 => (which(), answer()).prop_map(|(which, how)| Step::Answer(which, how)),
        3 => (which(), recalled).prop_map(|(which, what)| Step::Recall(which, what)),
        3 => members().prop_map(|(member, other)| Step::Disconnect(member, other)),
        12 => waits().prop_map(Step::Wait),
        8 => which().prop_map(Step::Look),
        2 => (member(), accepts).prop_map(|(member, accepts)| Step::LetInvite(member, accepts)),
        3 => (member(), operate()).prop_map(|(member, what)| Step::Operate(member, what)),
        1 => member().prop_map(Step::Erase),
        1 => Just(Step::CleanUp),
    ];
    prop::collection::vec(step, 1..80)
}

/// Small numbers, so that limits are met.
pub(super) fn policies() -> impl Strategy<Value = Policy> {
    let after_decline = prop::sample::select(vec![AfterDecline::Refuse, AfterDecline::Silent]);
    let numbers = (3usize..8, 1usize..4, 1usize..3, 2usize..5);
    (after_decline, numbers).prop_map(
        |(after_decline, (day, outstanding, connections, pair_sends))| Policy {
            quota_day: day,
            quota_lifetime: 4 * day,
            quota_outstanding: outstanding,
            max_connections: connections,
            pair_sends,
            max_replies: 2,
            strikes: 2,
            ladder: vec![
                Rung {
                    kind: RestrictionKind::EmailRequired,
                    length: Some(Duration::from_secs(7 * 24 * 60 * 60)),
                },
                Rung {
                    kind: RestrictionKind::Suspended,
                    length: Some(Duration::from_secs(7 * 24 * 60 * 60)),
                },
            ],
            after_decline,
            ..Policy::default()
        },
    )
}

impl World {
    /// The act of a step, if it is one and there is something to do it with.
    pub(super) fn act_of(&mut self, step: &Step) -> Option<Act> {
        match step {
            Step::Wait(length) => {
                self.wait(*length);
                None
            }
            Step::Send {
                from,
                to,
                address,
                reminders,
            } => {
                let mut send = self.a_send(*from, *to, *address);
                send.reminders = *reminders;
                Some(Act::Send(send))
            }
            Step::Answer(which, how) => {
                let id = self.pick(which)?;
                let seen = self.received[&id].sequence;
                // Now and then with an etag, which is sometimes old.
                let seen = [None, None, Some(seen), Some(seen - 1)][which.index(4)];
                Some(self.answering(id, how.clone(), seen))
            }
            Step::Recall(which, what) => {
                let id = self.pick(which)?;
                Some(self.recalling(id, *what))
            }
            Step::Disconnect(member_id, other_id) => {
                Some(self.a_disconnect(*member_id, *other_id, Ending::Removed))
            }
            Step::Look(which) => self.pick(which).map(|id| Act::Due(self.target(id))),
            Step::CleanUp => self.left_by_erased(),
            Step::LetInvite(member_id, invitation_policy) => Some(Act::Upsert(vec![Member {
                invitation_policy: *invitation_policy,
                ..super::member(*member_id)
            }])),
            Step::Operate(member_id, what) => Some(Act::Operate(Operation {
                member_id: *member_id,
                by: "desk".into(),
                note: String::new(),
                entropy: self.draw(),
                what: *what,
            })),
            Step::Erase(member_id) => Some(Act::Erase(Erase {
                member_id: *member_id,
                by: "desk".into(),
                entropy: self.draw(),
            })),
        }
    }

    fn left_by_erased(&mut self) -> Option<Act> {
        let is_erased = |id: Uuid| self.accounts[&id].erased;
        let mut pending = self.received.values().filter(|row| row.due_at.is_some());
        let left = pending.find(|row| is_erased(row.inviter_id) || is_erased(row.recipient_id));
        if let Some(row) = left {
            return Some(Act::Void(self.target(row.id)));
        }
        let left = self
            .connections
            .iter()
            .find(|key| is_erased(key.lo) || is_erased(key.hi));
        let PairKey { lo, hi } = *left?;
        Some(self.a_disconnect(lo, hi, Ending::Erased))
    }

    /// One of the invitations, most often one that is pending.
    fn pick(&self, which: &Index) -> Option<Uuid> {
        let pending: Vec<Uuid> = [ADA, BEN, CLEO]
            .into_iter()
            .flat_map(|member| self.pending_of(member))
            .map(|row| row.id)
            .collect();
        if !pending.is_empty() && which.index(8) > 0 {
            return Some(pending[which.index(pending.len())]);
        }
        let all: Vec<Uuid> = self.sent.keys().copied().collect();
        (!all.is_empty()).then(|| all[which.index(all.len())])
    }
}
