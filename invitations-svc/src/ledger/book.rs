//! The rows of one batch while it is decided: each command sees what the ones before it changed.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    domain::{
        accept::accept,
        account::Account,
        command::{Act, Command, Moment, RequestKey},
        invitation::{Received, Sent},
        member::{Addressee, Member},
        pair::{Pair, PairKey},
        refusal::Refusal,
        request::{Outcome, StoredAnswer},
        send::{self, send},
        transition::{Answer, Changes, Connected, Decision, Event},
    },
    store::{
        facts::Facts,
        write::{Rows, Split},
    },
};

/// A request of a client.
type RequestId = (Uuid, Arc<str>);

/// A row, whether it was read from its table, and whether it has to be written.
struct Entry<T> {
    row: T,
    stored: bool,
    changed: bool,
}

impl<T> Entry<T> {
    fn read(row: T) -> Self {
        Self {
            row,
            stored: true,
            changed: false,
        }
    }
}

/// The rows of one batch.
#[derive(Default)]
pub(super) struct Book {
    addressees: HashMap<Uuid, Addressee>,
    accounts: HashMap<Uuid, Entry<Account>>,
    pairs: HashMap<PairKey, Entry<Pair>>,
    received: HashMap<Uuid, Entry<Received>>,
    /// Invitations whose change the inviter's book shows.
    shown: HashSet<Uuid>,
    answers: HashMap<RequestId, Entry<StoredAnswer>>,
    /// Requests whose answer is forgotten but still in its table.
    forgotten: HashSet<RequestId>,
    upserted: HashMap<Uuid, Member>,
    connected: Vec<Connected>,
    events: Vec<Event>,
}

impl Book {
    /// Enters what was read for `command`. The first reading of a row stands: all of them are of one snapshot. Stored
    /// answers of `forgotten_at` and before do not count.
    pub(super) fn enter(&mut self, command: &Command, facts: Facts, forgotten_at: Timestamp) {
        if let (Some(addressee), Act::Send(send)) = (facts.other, &command.act) {
            self.addressees.insert(send.recipient_id, addressee);
        }
        if let Some(account) = facts.account {
            self.accounts
                .entry(account.member_id)
                .or_insert(Entry::read(account));
        }
        if let Some(pair) = facts.pair {
            self.pairs.entry(pair.key).or_insert(Entry::read(pair));
        }
        if let Some(received) = facts.received {
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
            return stored.row.replay(command, self.named(command));
        }
        let answer = self.act(command, moment);
        let stored = StoredAnswer {
            key: request.clone(),
            outcome: Outcome::of(&answer),
            decided_at: moment.now,
        };
        self.answers.insert(
            id_of(request),
            Entry {
                row: stored,
                stored: false,
                changed: true,
            },
        );
        answer
    }

    fn act(&mut self, command: &Command, moment: Moment) -> Result<Answer, Refusal> {
        let Decision { changes, answer } = match &command.act {
            Act::Send(act) => self.send(act, moment),
            Act::Accept(_) => match self.named(command) {
                Some(named) => {
                    let key = PairKey::of(named.recipient_id, named.inviter_id);
                    accept(Some(named), &self.pair(key), moment)
                }
                None => Decision::refused(Refusal::InvitationNotFound),
            },
            Act::Upsert(members) => upsert(members, moment),
        };
        self.apply(changes);
        answer
    }

    fn send(&self, act: &crate::domain::command::Send, moment: Moment) -> Decision {
        let pair = self.pair(PairKey::of(act.inviter_id, act.recipient_id));
        let facts = send::Facts {
            account: self.accounts.get(&act.inviter_id).map(|entry| &entry.row),
            recipient: self.addressees.get(&act.recipient_id),
            pair: &pair,
            open: pair
                .open
                .and_then(|open| self.received.get(&open.id))
                .map(|entry| &entry.row),
        };
        send(act, &facts, moment)
    }

    /// The invitation that the command names, if it is in the actor's book.
    fn named(&self, command: &Command) -> Option<&Received> {
        match &command.act {
            Act::Accept(accept) => {
                let entry = self.received.get(&accept.invitation_id)?;
                (entry.row.recipient_id == accept.recipient_id).then_some(&entry.row)
            }
            Act::Send(_) | Act::Upsert(_) => None,
        }
    }

    fn pair(&self, key: PairKey) -> Pair {
        self.pairs
            .get(&key)
            .map_or_else(|| Pair::strangers(key), |entry| entry.row.clone())
    }

    fn apply(&mut self, changes: Changes) {
        let Changes {
            account,
            pair,
            received,
            inviter_sees,
            connected,
            members,
            event,
        } = changes;
        if let Some(row) = account {
            replace(&mut self.accounts, row.member_id, row);
        }
        if let Some(row) = pair {
            replace(&mut self.pairs, row.key, row);
        }
        if let Some(row) = received {
            if inviter_sees {
                self.shown.insert(row.id);
            }
            replace(&mut self.received, row.id, row);
        }
        self.connected.extend(connected);
        self.events.extend(event);
        for member in members {
            // Its account is made beside it, unless it has one.
            let account = Entry::read(Account::unused(member.member_id));
            self.accounts.entry(member.member_id).or_insert(account);
            self.addressees.insert(member.member_id, Addressee::from(&member));
            self.upserted.insert(member.member_id, member);
        }
    }

    /// The accounts and pairs that the batch is judged by, in the order of locks.
    pub(super) fn judged_by(commands: &[&Command], facts: &[Facts]) -> (Vec<Uuid>, Vec<PairKey>) {
        let mut accounts: Vec<Uuid> = commands.iter().map(|command| command.actor()).collect();
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
        let mut received = Split::default();
        let mut sent = Split::default();
        for (id, Entry { row, stored, changed }) in self.received {
            if !changed {
                continue;
            }
            if self.shown.contains(&id) {
                if stored { &mut sent.old } else { &mut sent.new }.push(row.for_inviter());
            }
            if stored {
                &mut received.old
            } else {
                &mut received.new
            }
            .push(row);
        }
        for rows in [&mut received.new, &mut received.old] {
            rows.sort_unstable_by_key(|row: &Received| (row.recipient_id, row.id));
        }
        for rows in [&mut sent.new, &mut sent.old] {
            rows.sort_unstable_by_key(|row: &Sent| (row.inviter_id, row.id));
        }
        let mut accounts = changed(self.accounts);
        accounts.sort_unstable_by_key(|row| row.member_id);
        let mut pairs = changed(self.pairs);
        pairs.sort_unstable_by_key(|row| row.key);
        let mut answers = Split::default();
        for (id, entry) in self.answers.into_iter().filter(|(_, entry)| entry.changed) {
            if self.forgotten.contains(&id) {
                &mut answers.old
            } else {
                &mut answers.new
            }
            .push(entry.row);
        }
        for rows in [&mut answers.new, &mut answers.old] {
            rows.sort_unstable_by(|one: &StoredAnswer, other: &StoredAnswer| {
                id_order(one).cmp(&id_order(other))
            });
        }
        let mut members: Vec<Member> = self.upserted.into_values().collect();
        members.sort_unstable_by_key(|member| member.member_id);
        Rows {
            accounts,
            pairs,
            sent,
            received,
            connected: self.connected,
            answers,
            events: self.events,
            members,
        }
    }
}

fn id_of(request: &RequestKey) -> RequestId {
    (request.request_id, request.client.clone())
}

fn id_order(answer: &StoredAnswer) -> (Uuid, &str) {
    (answer.key.request_id, &answer.key.client)
}

/// Enters a row that a command changed.
fn replace<K: Eq + Hash, T>(entries: &mut HashMap<K, Entry<T>>, key: K, row: T) {
    let stored = entries.get(&key).is_some_and(|entry| entry.stored);
    entries.insert(
        key,
        Entry {
            row,
            stored,
            changed: true,
        },
    );
}

fn changed<K, T>(entries: HashMap<K, Entry<T>>) -> Vec<T> {
    entries
        .into_values()
        .filter(|entry| entry.changed)
        .map(|entry| entry.row)
        .collect()
}

fn upsert(members: &[Member], moment: Moment) -> Decision {
    let members: Vec<Member> = members
        .iter()
        .map(|member| Member {
            updated_at: moment.now,
            ..member.clone()
        })
        .collect();
    Decision {
        changes: Changes {
            members: members.clone(),
            ..Changes::default()
        },
        answer: Ok(Answer::Upserted(members)),
    }
}
