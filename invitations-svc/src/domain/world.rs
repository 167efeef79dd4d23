//! The rows of three members in memory, and every rule run over them: what the tests of the rules stand on.

mod invariants;
mod secrecy;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    account::Account,
    answer::{self, answer},
    command::{
        Act, Answer as How, Answering, Command, Disconnect, Ending, Erase, Moment, Named, Operate, Operation,
        Recall, Recalled, Received as Target, Send,
    },
    due::{self, due, void},
    ids::Entropy,
    invitation::{Invitation, Lifecycle, Received, Sent},
    member::{Addressee, InvitationPolicy, Member},
    membership::{self, disconnect, erase, upsert},
    operate::operate,
    pair::{Pair, PairKey, Side},
    policy::Policy,
    recall::{self, recall},
    refusal::Refusal,
    send::{self, send},
    transition::{Answer, AuditEntry, Changes, Decision, Event, EventKind, Reply},
};

pub(super) const ADA: Uuid = Uuid::from_u128(1);
pub(super) const BEN: Uuid = Uuid::from_u128(2);
pub(super) const CLEO: Uuid = Uuid::from_u128(3);

/// What a send gives as the recipient's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    Missing,
    Wrong,
    Right,
}

/// Rows, as the last act left them.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) policy: Policy,
    pub(super) members: BTreeMap<Uuid, Addressee>,
    pub(super) accounts: BTreeMap<Uuid, Account>,
    pub(super) pairs: BTreeMap<PairKey, Pair>,
    pub(super) sent: BTreeMap<Uuid, Sent>,
    pub(super) received: BTreeMap<Uuid, Received>,
    pub(super) connections: BTreeSet<PairKey>,
    pub(super) replies: Vec<Reply>,
    pub(super) events: Vec<Event>,
    pub(super) audits: Vec<AuditEntry>,
    drawn: u64,
}

impl World {
    /// Three members who know nothing of each other.
    pub(super) fn new() -> Self {
        let members = [ADA, BEN, CLEO];
        Self {
            now: Timestamp::from_second(1_795_000_000).expect("in range"),
            policy: Policy::default(),
            members: members.map(|id| (id, Addressee::from(&member(id)))).into(),
            accounts: members.map(|id| (id, Account::unused(id))).into(),
            pairs: BTreeMap::new(),
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            connections: BTreeSet::new(),
            replies: Vec::new(),
            events: Vec::new(),
            audits: Vec::new(),
            drawn: 0,
        }
    }

    /// The same with other numbers.
    pub(super) fn with(policy: Policy) -> Self {
        Self {
            policy,
            ..Self::new()
        }
    }

    pub(super) fn wait(&mut self, length: SignedDuration) {
        self.now += length;
    }

    pub(super) fn wait_days(&mut self, days: i64) {
        self.wait(SignedDuration::from_hours(24 * days));
    }

    /// Does an act and keeps what it writes.
    pub(super) fn act(&mut self, act: Act) -> Result<Answer, Refusal> {
        let Decision { changes, answer } = self.judge(act);
        self.apply(changes);
        answer
    }

    /// Ada invites Ben, which is granted. Answers the invitation's id.
    pub(super) fn invited(&mut self) -> Uuid {
        self.sent_by(ADA, BEN)
    }

    /// A send that is granted. Answers the invitation's id.
    pub(super) fn sent_by(&mut self, inviter_id: Uuid, recipient_id: Uuid) -> Uuid {
        match self.send(inviter_id, recipient_id) {
            Ok(Answer::Sent(sent)) => sent.id,
            other => panic!("not sent: {other:?}"),
        }
    }

    /// A send without an address, with reminders.
    pub(super) fn send(&mut self, inviter_id: Uuid, recipient_id: Uuid) -> Result<Answer, Refusal> {
        let send = self.a_send(inviter_id, recipient_id, Address::Missing);
        self.act(Act::Send(send))
    }

    pub(super) fn a_send(&mut self, inviter_id: Uuid, recipient_id: Uuid, address: Address) -> Send {
        Send {
            inviter_id,
            recipient_id,
            note: format!("note {}", self.drawn),
            recipient_email: match address {
                Address::Missing => None,
                Address::Wrong => Some("wrong@example.com".to_owned()),
                Address::Right => Some(email(recipient_id).to_uppercase()),
            },
            reminders: true,
            entropy: self.draw(),
        }
    }

    /// An answer of the invitation's recipient.
    pub(super) fn answer(&mut self, id: Uuid, answer: How) -> Result<Answer, Refusal> {
        self.act(self.answering(id, answer, None))
    }

    pub(super) fn answering(&self, id: Uuid, answer: How, seen: Option<i64>) -> Act {
        Act::Answer(Answering {
            target: self.target(id),
            seen,
            answer,
        })
    }

    /// The recipient ignores and declines, which is granted.
    pub(super) fn decline(&mut self, id: Uuid) {
        self.answer(id, How::Ignore).expect("ignored");
        self.answer(id, How::Decline).expect("declined");
    }

    /// What the invitation's inviter takes back.
    pub(super) fn recall(&mut self, id: Uuid, what: Recalled) -> Result<Answer, Refusal> {
        self.act(self.recalling(id, what))
    }

    pub(super) fn recalling(&self, id: Uuid, what: Recalled) -> Act {
        Act::Recall(Recall {
            inviter_id: self.sent[&id].inviter_id,
            invitation_id: id,
            what,
        })
    }

    /// A worker looks at the invitation, due or not. Answers what happened.
    pub(super) fn look(&mut self, id: Uuid) -> Vec<Event> {
        let before = self.events.len();
        self.act(Act::Due(self.target(id))).expect("never refused");
        self.events[before..].to_vec()
    }

    /// Workers look at whatever is due.
    pub(super) fn look_at_all(&mut self) {
        let is_due = |row: &&Received| row.due_at.is_some_and(|at| at <= self.now);
        let due: Vec<Uuid> = self.received.values().filter(is_due).map(|row| row.id).collect();
        for id in due {
            self.look(id);
        }
    }

    pub(super) fn void(&mut self, id: Uuid) {
        self.act(Act::Void(self.target(id))).expect("never refused");
    }

    /// The member removes the connection.
    pub(super) fn disconnect(&mut self, member_id: Uuid, other_id: Uuid) -> Result<Answer, Refusal> {
        let act = self.a_disconnect(member_id, other_id, Ending::Removed);
        self.act(act)
    }

    pub(super) fn a_disconnect(&mut self, member_id: Uuid, other_id: Uuid, because: Ending) -> Act {
        Act::Disconnect(Disconnect {
            member_id,
            other_id,
            because,
            entropy: self.draw(),
        })
    }

    pub(super) fn operate(&mut self, member_id: Uuid, what: Operate) -> Result<Answer, Refusal> {
        let entropy = self.draw();
        self.act(Act::Operate(Operation {
            member_id,
            by: "desk".into(),
            note: "ticket 7".to_owned(),
            entropy,
            what,
        }))
    }

    pub(super) fn erase(&mut self, member_id: Uuid) -> Result<Answer, Refusal> {
        let entropy = self.draw();
        self.act(Act::Erase(Erase {
            member_id,
            by: "desk".into(),
            entropy,
        }))
    }

    /// The member lets these invite them.
    pub(super) fn let_invite(&mut self, member_id: Uuid, invitation_policy: InvitationPolicy) {
        let member = Member {
            invitation_policy,
            ..member(member_id)
        };
        self.act(Act::Upsert(vec![member])).expect("never refused");
    }

    pub(super) fn invitation(&self, id: Uuid) -> Option<Invitation> {
        Some(Invitation {
            sent: self.sent.get(&id)?.clone(),
            received: self.received.get(&id)?.clone(),
        })
    }

    pub(super) fn pair(&self, one: Uuid, other: Uuid) -> Pair {
        let key = PairKey::of(one, other);
        self.pairs
            .get(&key)
            .cloned()
            .unwrap_or_else(|| Pair::strangers(key))
    }

    /// What the pair keeps of Ada as the inviter of Ben.
    pub(super) fn side(&mut self) -> &mut Side {
        let pair = self.pairs.get_mut(&PairKey::of(ADA, BEN));
        pair.expect("they have something with each other").from_mut(ADA)
    }

    pub(super) fn account(&mut self, member_id: Uuid) -> &mut Account {
        self.accounts.get_mut(&member_id).expect("a member")
    }

    /// What happened, without the invitations that it happened to.
    pub(super) fn kinds(&self) -> Vec<EventKind> {
        self.events.iter().map(|event| event.kind).collect()
    }

    /// What the rules say of an act, with nothing written.
    pub(super) fn judge(&self, act: Act) -> Decision {
        let moment = Moment {
            now: self.now,
            policy: &self.policy,
        };
        let command = Command { request: None, act };
        match &command.act {
            Act::Send(act) => self.judge_send(act, moment),
            Act::Answer(_) | Act::Recall(_) | Act::Due(_) | Act::Void(_) => {
                self.judge_on_invitation(&command, moment)
            }
            Act::Disconnect(act) => {
                let facts = membership::Facts {
                    member: self.accounts.get(&act.member_id),
                    other: self.accounts.get(&act.other_id),
                    addressee: self.members.get(&act.other_id),
                    pair: &self.pair(act.member_id, act.other_id),
                };
                disconnect(act, &facts, moment)
            }
            Act::Upsert(members) => upsert(members, moment),
            Act::Erase(act) => erase(act, self.accounts.get(&act.member_id), moment),
            Act::Operate(act) => {
                let pair = command.other().map(|other| PairKey::of(act.member_id, other));
                let pair = pair.and_then(|key| self.pairs.get(&key));
                operate(act, self.accounts.get(&act.member_id), pair, moment)
            }
        }
    }

    fn judge_send(&self, act: &Send, moment: Moment) -> Decision {
        let pair = self.pair(act.inviter_id, act.recipient_id);
        let open = pair.open.and_then(|open| self.invitation(open.id));
        let account = self.accounts.get(&act.inviter_id).map(|account| Account {
            overdue: self.overdue(act.inviter_id),
            ..account.clone()
        });
        let facts = send::Facts {
            account: account.as_ref(),
            recipient: self.members.get(&act.recipient_id),
            theirs: self.accounts.get(&act.recipient_id),
            pair: &pair,
            open: open.as_ref(),
        };
        send(act, &facts, moment)
    }

    fn judge_on_invitation(&self, command: &Command, moment: Moment) -> Decision {
        let owner = |invitation: &Invitation| match command.named() {
            Some(Named::Sent(_)) => invitation.sent.inviter_id,
            Some(Named::Received(_)) | None => invitation.received.recipient_id,
        };
        let named = command.named().and_then(|named| self.invitation(named.id()));
        let Some(invitation) = named.filter(|invitation| owner(invitation) == command.actor()) else {
            return Decision::refused(Refusal::InvitationNotFound);
        };
        let inviter = &self.accounts[&invitation.sent.inviter_id];
        let recipient = &self.accounts[&invitation.sent.recipient_id];
        let (invitation, pair) = (&invitation, &self.pair(inviter.member_id, recipient.member_id));
        let due_facts = due::Facts {
            invitation,
            pair,
            inviter,
        };
        match &command.act {
            Act::Answer(act) => {
                let facts = answer::Facts {
                    invitation,
                    pair,
                    inviter,
                    recipient,
                };
                answer(act, &facts, moment)
            }
            Act::Recall(act) => {
                let facts = recall::Facts {
                    invitation,
                    pair,
                    inviter,
                };
                recall(act, &facts, moment)
            }
            Act::Due(_) => due(&due_facts, moment),
            Act::Void(_) => void(&due_facts, moment),
            Act::Send(_) | Act::Disconnect(_) | Act::Upsert(_) | Act::Erase(_) | Act::Operate(_) => {
                unreachable!("it names no invitation")
            }
        }
    }

    pub(super) fn apply(&mut self, changes: Changes) {
        for row in changes.accounts {
            self.accounts.insert(row.member_id, Account { overdue: 0, ..row });
        }
        self.pairs.extend(changes.pair.map(|row| (row.key, row)));
        self.sent
            .extend(changes.sent.into_iter().map(|row| (row.id, row)));
        self.received
            .extend(changes.received.into_iter().map(|row| (row.id, row)));
        let connected = changes
            .connected
            .map(|two| PairKey::of(two.inviter_id, two.recipient_id));
        self.connections.extend(connected);
        if let Some(two) = changes.disconnected {
            self.connections.remove(&PairKey::of(two.member_id, two.other_id));
        }
        self.replies.extend(changes.reply);
        self.events.extend(changes.events);
        self.audits.extend(changes.audit);
        if let Some(member_id) = changes.erased {
            self.members.remove(&member_id);
        }
        for member in changes.members {
            self.members.insert(member.member_id, Addressee::from(&member));
            let account = Account::unused(member.member_id);
            self.accounts.entry(member.member_id).or_insert(account).erased = false;
        }
    }

    /// The member's sent invitations that are pending in their rows.
    pub(super) fn pending_of(&self, inviter_id: Uuid) -> impl Iterator<Item = &Sent> {
        let is_pending = |row: &&Sent| row.lifecycle == Lifecycle::Pending;
        let rows = self.sent.values().filter(is_pending);
        rows.filter(move |row| row.inviter_id == inviter_id)
    }

    fn overdue(&self, inviter_id: Uuid) -> usize {
        self.pending_of(inviter_id)
            .filter(|row| row.expires_at <= self.now)
            .count()
    }

    fn target(&self, id: Uuid) -> Target {
        Target {
            recipient_id: self.received[&id].recipient_id,
            invitation_id: id,
        }
    }

    /// Bits that no id had before.
    fn draw(&mut self) -> Entropy {
        self.drawn += 1;
        let mut entropy = Entropy::default();
        entropy[2..].copy_from_slice(&self.drawn.to_be_bytes());
        entropy
    }
}

fn email(member_id: Uuid) -> String {
    format!("member{}@example.com", member_id.as_u128())
}

fn member(member_id: Uuid) -> Member {
    Member {
        member_id,
        name: format!("Member {}", member_id.as_u128()),
        email: email(member_id),
        locale: "en".to_owned(),
        time_zone: "UTC".to_owned(),
        invitation_policy: InvitationPolicy::Everyone,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}
