//! One call of ApplyEmailCommands: one transaction of a few statements, whatever the number of commands.
//!
//! Locks are taken in one order by all calls: keys, then fences, then emails, each by id. A call that queues locks the
//! fence of its invitation as well; so a cancel sees every email that is queued before it, and every email that is
//! queued after it sees the fence. That makes the commands of one call commute, too: only the highest fence of each
//! scope counts. The scopes share one row of an invitation, so that commands of different ones wait for each other, too.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    Connection, PgConnection,
    result::{DatabaseErrorKind, Error as DieselError},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    cancel, emails, fences,
    keys::{self, Identity},
};
use crate::domain::{
    command::{Answer, Cancel, Command, Counts, Queue, Refusal},
    email::{Outcome, State},
    fence::Fences,
    kind::Kind,
};

/// How often a transaction is done again after Postgres broke it up in favour of another.
const TRIES: usize = 4;

/// What a call did.
#[derive(Debug)]
pub(crate) struct Applied {
    /// One for each command, in order.
    pub(crate) answers: Vec<Answer>,
    /// Emails that were queued for the first time.
    pub(crate) accepted: Vec<Kind>,
    /// Emails that got their outcome by this call.
    pub(crate) outcomes: Vec<Outcome>,
}

enum Failure {
    Refused(Refusal),
    Database(DieselError),
}

impl From<DieselError> for Failure {
    fn from(error: DieselError) -> Self {
        Self::Database(error)
    }
}

/// Applies all commands or none.
pub(crate) fn apply(
    connection: &mut PgConnection,
    commands: &[Command],
    new_id: impl Fn() -> Uuid,
    mail_domain: &str,
    now: Timestamp,
) -> Result<Result<Applied, Refusal>, DieselError> {
    let mut tries = 1;
    loop {
        let tried =
            connection.transaction(|connection| once(connection, commands, &new_id, mail_domain, now));
        match tried {
            Ok(applied) => return Ok(Ok(applied)),
            Err(Failure::Refused(refusal)) => return Ok(Err(refusal)),
            Err(Failure::Database(error)) if tries < TRIES && is_broken_up(&error) => tries += 1,
            Err(Failure::Database(error)) => return Err(error),
        }
    }
}

/// Whether Postgres ended the transaction because of another one (40001, 40P01, for which Diesel has no kind).
fn is_broken_up(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        DieselError::DatabaseError(_, information) => information.message() == "deadlock detected",
        _ => false,
    }
}

fn once(
    connection: &mut PgConnection,
    commands: &[Command],
    new_id: impl Fn() -> Uuid,
    mail_domain: &str,
    now: Timestamp,
) -> Result<Applied, Failure> {
    let (queues, cancels) = split(commands);
    let ids = identify(connection, &queues, new_id)?;
    let fences = fences::raise(connection, &wanted_fences(&queues, &cancels))?;
    let fences_of = |queue: &Queue| fences.get(&queue.invitation_id).copied().unwrap_or_default();
    let new: Vec<emails::New<'_>> = ids
        .new
        .iter()
        .map(|(id, queue)| {
            let stopped = fences_of(queue).stop(queue.kind(), queue.sequence);
            let state = if stopped { State::Cancelled } else { State::Open };
            emails::New {
                id: *id,
                queue,
                state,
            }
        })
        .collect();
    if !new.is_empty() {
        emails::insert(connection, &new, mail_domain, now)?;
    }
    let outcome = |email: &emails::New<'_>| Outcome {
        kind: email.queue.kind(),
        state: email.state,
    };
    let mut outcomes: Vec<Outcome> = new.iter().map(outcome).collect();
    outcomes.retain(|outcome| outcome.state != State::Open);
    let mut counts = Vec::new();
    if !cancels.is_empty() {
        let raised = cancels.iter().map(|cancel| cancel.invitation_id);
        let raised: BTreeMap<Uuid, Fences> = raised.map(|id| (id, fences[&id])).collect();
        outcomes.extend(cancel::stop(connection, &raised, now)?);
        counts = cancel::count(connection, &cancels)?;
    }
    let mut states: HashMap<Uuid, State> = new.iter().map(|email| (email.id, email.state)).collect();
    let mut asked: Vec<Uuid> = ids.by_key.values().map(|identity| identity.email_id).collect();
    // What this call cancels it may have queued itself.
    asked.retain(|id| !cancels.is_empty() || !states.contains_key(id));
    states.extend(emails::states(connection, asked)?);
    Ok(Applied {
        accepted: new.iter().map(|email| email.queue.kind()).collect(),
        answers: answers(commands, &ids.by_key, &states, counts)?,
        outcomes,
    })
}

fn split(commands: &[Command]) -> (Vec<(usize, &Queue)>, Vec<Cancel>) {
    let mut queues = Vec::new();
    let mut cancels = Vec::new();
    for (index, command) in commands.iter().enumerate() {
        match command {
            Command::Queue(queue) => queues.push((index, &**queue)),
            Command::Cancel(cancel) => cancels.push(*cancel),
        }
    }
    (queues, cancels)
}

/// Which email each key of a call belongs to.
struct Ids<'a> {
    by_key: BTreeMap<String, Identity>,
    /// Emails whose key was free.
    new: Vec<(Uuid, &'a Queue)>,
}

fn identify<'a>(
    connection: &mut PgConnection,
    queues: &[(usize, &'a Queue)],
    new_id: impl Fn() -> Uuid,
) -> Result<Ids<'a>, Failure> {
    let mut wanted: BTreeMap<&str, Identity> = BTreeMap::new();
    let mut first: BTreeMap<&str, &'a Queue> = BTreeMap::new();
    for (_, queue) in queues {
        if first.insert(&queue.key, queue).is_none() {
            let identity = Identity {
                fingerprint: queue.fingerprint,
                email_id: new_id(),
                other_id: Some(queue.other_id),
            };
            wanted.insert(&queue.key, identity);
        }
    }
    if wanted.is_empty() {
        return Ok(Ids {
            by_key: BTreeMap::new(),
            new: Vec::new(),
        });
    }
    let known = keys::take(connection, &wanted)?;
    let free = wanted.iter().filter(|(key, _)| !known.contains_key(**key));
    let new = free
        .map(|(key, identity)| (identity.email_id, first[key]))
        .collect();
    let mut by_key: BTreeMap<String, Identity> = wanted
        .iter()
        .map(|(key, identity)| ((*key).to_owned(), *identity))
        .collect();
    by_key.extend(known);
    let is_same = |queue: &Queue| {
        let known = &by_key[&queue.key];
        // Fingerprints of invitations do not have the inviter.
        known.fingerprint == queue.fingerprint && known.other_id.is_none_or(|id| id == queue.other_id)
    };
    let stranger = queues.iter().find(|(_, queue)| !is_same(queue));
    match stranger {
        Some((index, _)) => Err(Failure::Refused(Refusal::KeyReused { index: *index })),
        None => Ok(Ids { by_key, new }),
    }
}

/// For each invitation of the call the fences that its cancels ask for; none where it only queues.
fn wanted_fences(queues: &[(usize, &Queue)], cancels: &[Cancel]) -> BTreeMap<Uuid, Fences> {
    let queued = queues.iter().map(|(_, queue)| queue.invitation_id);
    let mut wanted: BTreeMap<Uuid, Fences> = queued.map(|id| (id, Fences::default())).collect();
    for cancel in cancels {
        let fences = wanted.entry(cancel.invitation_id).or_default();
        fences.raise(cancel.scope, cancel.sequence);
    }
    wanted
}

fn answers(
    commands: &[Command],
    by_key: &BTreeMap<String, Identity>,
    states: &HashMap<Uuid, State>,
    counts: Vec<Counts>,
) -> Result<Vec<Answer>, DieselError> {
    let mut counts = counts.into_iter();
    let answer = |command: &Command| match command {
        Command::Queue(queue) => {
            let email_id = by_key[&queue.key].email_id;
            let state = states.get(&email_id).copied().ok_or(DieselError::NotFound)?;
            Ok(Answer::Queued { email_id, state })
        }
        Command::Cancel(_) => counts.next().map(Answer::Cancelled).ok_or(DieselError::NotFound),
    };
    commands.iter().map(answer).collect()
}
