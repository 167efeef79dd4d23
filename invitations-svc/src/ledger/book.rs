//! The rows of one batch while it is decided: each command sees what the ones before it changed.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, hash_map},
    hash::Hash,
    sync::Arc,
};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    domain::{
        account::Account,
        answer::{self, answer},
        command::{self, Act, Command, Moment, Named, RequestKey},
        due::{self, due, void},
        invitation::{Invitation, Received, Sent},
        member::{Addressee, Member},
        membership::{self, disconnect, erase, upsert},
        operate::operate,
        pair::{Pair, PairKey},
        recall::{self, recall},
        refusal::Refusal,
        request::{Outcome, StoredAnswer},
        send::{self, send},
        transition::{Answer, AuditEntry, Changes, Connected, Decision, Disconnected, Reply},
    },
    store::{
        facts::Facts,
        write::{Ordered, Rows, Split, Stepped},
    },
};

/// A request of a client.
type RequestId = (Uuid, Arc<str>);

/// A row, whether it was read from its table, and how often it was changed: 0 where it need not be written.
struct Entry<T> {
    row: T,
    stored: bool,
    changes: i64,
}

impl<T> Entry<T> {
    fn read(row: T) -> Self {
        Self {
            row,
            stored: true,
            changes: 0,
        }
    }
}

/// A connection's beginning or end.
enum Turn {
    Made(Connected),
    Ended(Disconnected),
}

/// The rows of one batch.
#[derive(Default)]
pub(super) struct Book {
    addressees: HashMap<Uuid, Addressee>,
    accounts: HashMap<Uuid, Entry<Account>>,
    pairs: HashMap<PairKey, Entry<Pair>>,
    received: HashMap<Uuid, Entry<Received>>,
    sent: HashMap<Uuid, Entry<Sent>>,
    answers: HashMap<RequestId, Entry<StoredAnswer>>,
    /// Requests whose answer is forgotten but still in its table.
    forgotten: HashSet<RequestId>,
    upserted: HashMap<Uuid, Member>,
    erased: HashSet<Uuid>,
    turns: Vec<Turn>,
    replies: Vec<Reply>,
    events: Vec<Ordered>,
    audits: Vec<AuditEntry>,
}

impl Book {
    /// Enters what was read for `command`. The first reading of a row stands: all of them are of one snapshot. Stored
    /// answers of `forgotten_at` and before do not count.
    pub(super) fn enter(&mut self, command: &Command, facts: Facts, forgotten_at: Timestamp) {
        if let (Some(addressee), Some(other)) = (facts.addressee, command.other()) {
            self.addressees.insert(other, addressee);
        }
        for account in facts.account.into_iter().chain(facts.theirs) {
            match self.accounts.entry(account.member_id) {
                hash_map::Entry::Vacant(place) => drop(place.insert(Entry::read(account))),
                // It is counted for whoever acts only.
                hash_map::Entry::Occupied(mut known) => {
                    let row = &mut known.get_mut().row;
                    row.overdue = row.overdue.max(account.overdue);
                }
            }
        }
        if let Some(pair) = facts.pair {
            self.pairs.entry(pair.key).or_insert(Entry::read(pair));
        }
        if let Some(Invitation { sent, received }) = facts.invitation {
            self.sent.entry(sent.id).or_insert(Entry::read(sent));
            self.received.entry(received.id).or_insert(Entry::read(received));
        }
        match facts.answered {
            Some(answer) if answer.decided_at > forgotten_at => {
                self.answers
                    .entry(id_of(&answer.key))
                    .or_insert(Entry::read(answer));
            }
            Some(answer) => drop(self.forgotten.insert(id_of(&answer.key))),
            None => {}
        }
    }

    /// Decides one command and enters what it changes.
    pub(super) fn decide(&mut self, command: &Command, moment: Moment) -> Result<Answer, Refusal> {
        let Some(request) = &command.request else {
            return self.act(command, moment);
        };
        if let Some(stored) = self.answers.get(&id_of(request)) {
            let named = self.named(command);
            return stored
                .row
                .replay(command, named.as_ref(), self.account(command.actor()));
        }
        let answer = self.act(command, moment);
        let stored = StoredAnswer {
            key: request.clone(),
            outcome: Outcome::of(command, &answer),
            decided_at: moment.now,
        };
        self.answers.insert(
            id_of(request),
            Entry {
                row: stored,
                stored: false,
                changes: 1,
            },
        );
        answer
    }

    fn act(&mut self, command: &Command, moment: Moment) -> Result<Answer, Refusal> {
        let Decision { changes, answer } = self.judge(command, moment);
        self.apply(changes);
        answer
    }

    fn judge(&self, command: &Command, moment: Moment) -> Decision {
        match &command.act {
            Act::Send(act) => self.send(act, moment),
            Act::Answer(_) | Act::Recall(_) | Act::Due(_) | Act::Void(_) => {
                self.on_invitation(command, moment)
            }
            Act::Disconnect(act) => {
                let facts = membership::Facts {
                    member: self.account(act.member_id),
                    other: self.account(act.other_id),
                    addressee: self.addressees.get(&act.other_id),
                    pair: &self.pair(PairKey::of(act.member_id, act.other_id)),
                };
                disconnect(act, &facts, moment)
            }
            Act::Upsert(members) => upsert(members, moment),
            Act::Erase(act) => erase(act, self.account(act.member_id), moment),
            Act::Operate(act) => {
                let pair = command.other().map(|other| PairKey::of(act.member_id, other));
                let pair = pair.and_then(|key| self.pairs.get(&key)).map(|entry| &entry.row);
                operate(act, self.account(act.member_id), pair, moment)
            }
        }
    }

    fn on_invitation(&self, command: &Command, moment: Moment) -> Decision {
        let invitation = self.named(command);
        let accounts = invitation.as_ref().and_then(|invitation| {
            let inviter = self.account(invitation.sent.inviter_id)?;
            Some((inviter, self.account(invitation.sent.recipient_id)?))
        });
        let (Some(invitation), Some((inviter, recipient))) = (&invitation, accounts) else {
            return Decision::refused(Refusal::InvitationNotFound);
        };
        let pair = &self.pair(PairKey::of(inviter.member_id, recipient.member_id));
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
                Decision::refused(Refusal::InvitationNotFound)
            }
        }
    }

    fn send(&self, act: &command::Send, moment: Moment) -> Decision {
        let pair = self.pair(PairKey::of(act.inviter_id, act.recipient_id));
        let open = pair.open.and_then(|open| self.invitation(open.id));
        let facts = send::Facts {
            account: self.account(act.inviter_id),
            recipient: self.addressees.get(&act.recipient_id),
            theirs: self.account(act.recipient_id),
            pair: &pair,
            open: open.as_ref(),
        };
        send(act, &facts, moment)
    }

    fn account(&self, member_id: Uuid) -> Option<&Account> {
        self.accounts.get(&member_id).map(|entry| &entry.row)
    }

    fn invitation(&self, id: Uuid) -> Option<Invitation> {
        Some(Invitation {
            sent: self.sent.get(&id)?.row.clone(),
            received: self.received.get(&id)?.row.clone(),
        })
    }

    /// The invitation that the command names, if it is in the actor's book.
    fn named(&self, command: &Command) -> Option<Invitation> {
        let named = command.named()?;
        let owner = |sent: &Sent| match named {
            Named::Received(_) => sent.recipient_id,
            Named::Sent(_) => sent.inviter_id,
        };
        self.invitation(named.id())
            .filter(|invitation| owner(&invitation.sent) == command.actor())
    }

    fn pair(&self, key: PairKey) -> Pair {
        self.pairs
            .get(&key)
            .map_or_else(|| Pair::strangers(key), |entry| entry.row.clone())
    }

    fn apply(&mut self, changes: Changes) {
        let Changes {
            accounts,
            pair,
            received,
            sent,
            connected,
            disconnected,
            reply,
            members,
            erased,
            audit,
            events,
        } = changes;
        for row in accounts {
            replace(&mut self.accounts, row.member_id, row, 1);
        }
        // Each transition is a version of its own, so that the feed can tell their order.
        let mut pair_version = 0;
        if let Some(row) = pair {
            let steps = i64::try_from(events.len().max(1)).expect("a handful");
            let (key, read) = (row.key, row.version);
            let changes = replace(&mut self.pairs, key, row, steps);
            pair_version = read + changes - steps;
        }
        for row in received {
            replace(&mut self.received, row.id, row, 1);
        }
        for row in sent {
            replace(&mut self.sent, row.id, row, 1);
        }
        self.turns.extend(connected.map(Turn::Made));
        self.turns.extend(disconnected.map(Turn::Ended));
        self.replies.extend(reply);
        self.audits.extend(audit);
        self.events.extend(events.into_iter().map(|event| {
            pair_version += 1;
            Ordered { event, pair_version }
        }));
        if let Some(member_id) = erased {
            self.upserted.remove(&member_id);
            self.addressees.remove(&member_id);
            self.erased.insert(member_id);
        }
        for member in members {
            // Its account is made beside it, unless it has one.
            let account = Entry::read(Account::unused(member.member_id));
            let account = self.accounts.entry(member.member_id).or_insert(account);
            account.row.erased = false;
            self.addressees.insert(member.member_id, Addressee::from(&member));
            self.upserted.insert(member.member_id, member);
        }
    }

    /// The accounts and pairs that the batch is judged by, in the order of locks.
    pub(super) fn judged_by(commands: &[&Command], facts: &[Facts]) -> (Vec<Uuid>, Vec<PairKey>) {
        let read = facts
            .iter()
            .flat_map(|facts| facts.account.iter().chain(&facts.theirs))
            .map(|account| account.member_id);
        let mut accounts: Vec<Uuid> = commands
            .iter()
            .map(|command| command.actor())
            .chain(read)
            .collect();
        let mut pairs: Vec<PairKey> = facts
            .iter()
            .filter_map(|facts| facts.pair.as_ref())
            .map(|pair| pair.key)
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        pairs.sort_unstable();
        pairs.dedup();
        (accounts, pairs)
    }

    /// What has to be written, in the order of the keys.
    pub(super) fn into_rows(self) -> Rows {
        let (connected, disconnected) = left_of(self.turns);
        let mut accounts: Vec<Account> = changed(self.accounts).map(|entry| entry.row).collect();
        accounts.sort_unstable_by_key(|row| row.member_id);
        let stepped = |entry: Entry<Pair>| Stepped {
            row: entry.row,
            steps: entry.changes,
        };
        let mut pairs: Vec<Stepped<Pair>> = changed(self.pairs).map(stepped).collect();
        pairs.sort_unstable_by_key(|stepped| stepped.row.key);
        let forgotten = self.forgotten;
        let answers = changed(self.answers).map(|entry| Entry {
            stored: forgotten.contains(&id_of(&entry.row.key)),
            ..entry
        });
        let mut members: Vec<Member> = self.upserted.into_values().collect();
        members.sort_unstable_by_key(|member| member.member_id);
        let mut erased: Vec<Uuid> = self.erased.into_iter().collect();
        erased.sort_unstable();
        Rows {
            accounts,
            pairs,
            sent: split(changed(self.sent), |one, other| {
                (one.inviter_id, one.id).cmp(&(other.inviter_id, other.id))
            }),
            received: split(changed(self.received), |one, other| {
                (one.recipient_id, one.id).cmp(&(other.recipient_id, other.id))
            }),
            connected,
            disconnected,
            replies: self.replies,
            answers: split(answers, |one, other| id_order(one).cmp(&id_order(other))),
            events: self.events,
            audits: self.audits,
            members,
            erased,
        }
    }
}

/// What is left of a batch's turns: those that were made and ended in it were never there. Where one was ended and the two
/// connected anew, it is both, since the new one has a time of its own.
fn left_of(turns: Vec<Turn>) -> (Vec<Connected>, Vec<Disconnected>) {
    // Of each pair they alternate.
    let mut pairs: HashMap<PairKey, (Option<Connected>, Option<Disconnected>)> = HashMap::new();
    for turn in turns {
        match turn {
            Turn::Made(made) => {
                let key = PairKey::of(made.inviter_id, made.recipient_id);
                pairs.entry(key).or_default().0 = Some(made);
            }
            Turn::Ended(ended) => {
                let (made, first) = pairs
                    .entry(PairKey::of(ended.member_id, ended.other_id))
                    .or_default();
                if made.take().is_none() {
                    *first = Some(ended);
                }
            }
        }
    }
    let (made, ended): (Vec<_>, Vec<_>) = pairs.into_values().unzip();
    (
        made.into_iter().flatten().collect(),
        ended.into_iter().flatten().collect(),
    )
}

/// The rows of one table, new ones apart from replaced ones, each in `order`.
fn split<T>(entries: impl Iterator<Item = Entry<T>>, order: impl Fn(&T, &T) -> Ordering) -> Split<T> {
    let mut split = Split::default();
    for entry in entries {
        if entry.stored {
            &mut split.old
        } else {
            &mut split.new
        }
        .push(entry.row);
    }
    split.new.sort_unstable_by(&order);
    split.old.sort_unstable_by(&order);
    split
}

fn id_of(request: &RequestKey) -> RequestId {
    (request.request_id, request.client.clone())
}

fn id_order(answer: &StoredAnswer) -> (Uuid, &str) {
    (answer.key.request_id, &answer.key.client)
}

/// Enters a row that a command changed in `steps`. Answers all steps so far.
fn replace<K: Eq + Hash, T>(entries: &mut HashMap<K, Entry<T>>, key: K, row: T, steps: i64) -> i64 {
    match entries.entry(key) {
        hash_map::Entry::Occupied(mut known) => {
            let entry = known.get_mut();
            entry.row = row;
            entry.changes += steps;
            entry.changes
        }
        hash_map::Entry::Vacant(place) => {
            place.insert(Entry {
                row,
                stored: false,
                changes: steps,
            });
            steps
        }
    }
}

fn changed<K, T>(entries: HashMap<K, Entry<T>>) -> impl Iterator<Item = Entry<T>> {
    entries.into_values().filter(|entry| entry.changes > 0)
}
