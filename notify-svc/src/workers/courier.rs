//! One worker's hands: what it sends with, what it holds, how it writes down what it did.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use shell::{
    clock::Clock,
    postgres::{Database, DatabaseError, is_held_up, takes_no_writes},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::batch::Batch;
use crate::{
    domain::{
        contact::Contact,
        delivery::{Move, Policy},
        email::Outcome,
        restraint::Restraint,
    },
    measure,
    smtp::{Letterhead, Transport},
    store::{self, Claimed, Finish, Held, Unit},
};

/// Longest wait for the database. It ends a wait, not the work: what is claimed or marked then is reaped.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before a finish is written again after the database failed.
const FINISH_PAUSE: Duration = Duration::from_millis(200);
/// Pause before a finish is written again whose row somebody keeps locked: each try holds up others for a while.
const HELD_UP_PAUSE: Duration = Duration::from_secs(5);
/// How often the database may refuse a finish for what it says; a deadlock is over after one.
const FINISH_REFUSALS: u32 = 3;

/// What a worker is to work with.
pub(crate) struct Duty {
    pub(crate) database: Database,
    /// Connections whose commits do not wait for the disk: a claim that Postgres forgets in a crash was none, and whoever
    /// made it can mark nothing.
    pub(crate) claims: Database,
    pub(crate) clock: Clock,
    pub(crate) transport: Transport,
    pub(crate) head: Letterhead,
    pub(crate) policy: Policy,
    pub(crate) lease: Duration,
}

/// A worker of this process.
pub(crate) struct Courier {
    pub(super) duty: Duty,
    /// Its name in leases, new for each start.
    pub(super) worker: Uuid,
    /// Answers the emails of a message that may go out.
    pub(super) mark: Batch<Unit, Vec<Held>>,
    finish: Batch<Finish, Written>,
    held: Mutex<HashSet<Held>>,
    /// Messages that may be handed over now.
    pub(super) places: Semaphore,
    contact: Mutex<Contact>,
    started: Instant,
}

impl Courier {
    pub(crate) fn start(duty: Duty) -> Self {
        let worker = Uuid::new_v4();
        let (database, clock) = (duty.database.clone(), duty.clock.clone());
        let restraint = duty.policy.restraint.clone();
        let mark =
            Batch::start(move |units| mark(database.clone(), worker, restraint.clone(), clock.now(), units));
        let (database, clock) = (duty.database.clone(), duty.clock.clone());
        let finish = Batch::start(move |finished| finish(database.clone(), clock.now(), finished));
        Self {
            places: Semaphore::new(duty.transport.capacity()),
            duty,
            worker,
            mark,
            finish,
            held: Mutex::default(),
            contact: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// Extends the leases of all that is worked on; answers the database's time. Asks it where that is nothing, too: its
    /// answer, or none, tells whether others can extend theirs.
    pub(super) async fn keep(&self) -> Result<Timestamp, DatabaseError> {
        let (held, worker, lease) = (self.holds(), self.worker, self.duty.lease);
        let work = move |connection: &mut _| store::extend(connection, &held, worker, lease);
        let kept = self.duty.database.run(deadline(), work).await;
        match &kept {
            Ok(clock) => self
                .contact()
                .answered(self.started.elapsed(), *clock, self.duty.lease),
            Err(_) => self.contact().lost(),
        }
        kept
    }

    /// Writes down what became of claims. One that a locked row holds up waits for its next turn, and keeps its claim.
    pub(super) async fn finish(&self, mut finished: Vec<Finish>) {
        loop {
            let written = self.finish.submit_all(finished.clone()).await;
            let mut written = written.into_iter();
            finished.retain(|_| written.next() == Some(Some(Written::HeldUp)));
            if finished.is_empty() {
                return;
            }
            tokio::time::sleep(HELD_UP_PAUSE).await;
        }
    }

    pub(super) fn contact(&self) -> MutexGuard<'_, Contact> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the claim is worked on until the answer is dropped; as long its lease is extended.
    pub(super) fn hold(&self, held: Held) -> Holding<'_> {
        self.lock().insert(held);
        Holding { courier: self, held }
    }

    /// Leaves out what is worked on already: a claim that Postgres forgot in a crash comes again with the same token, and
    /// whoever works on it goes on.
    pub(super) fn unheld(&self, mut claimed: Vec<Claimed>) -> Vec<Claimed> {
        let held = self.lock();
        claimed.retain(|email| !held.contains(&email.held));
        claimed
    }

    fn holds(&self) -> Vec<Held> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim that is worked on.
pub(super) struct Holding<'a> {
    courier: &'a Courier,
    held: Held,
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.courier.lock().remove(&self.held);
    }
}

/// When to give up waiting for the database.
pub(super) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// A mark that cannot be written is none: the message is not sent, and its leases run out. Messages to one reader are
/// marked one after the other, so that the second is judged by the first.
async fn mark(
    database: Database,
    worker: Uuid,
    restraint: Restraint,
    now: Timestamp,
    units: Vec<Unit>,
) -> Vec<Vec<Held>> {
    let mut marked = HashSet::new();
    for round in rounds(&units) {
        let restraint = restraint.clone();
        let work = move |connection: &mut _| store::mark(connection, &round, worker, &restraint, now);
        match database.run(deadline(), work).await {
            Ok(more) => marked.extend(more),
            Err(error) => {
                tracing::warn!(%error, "cannot mark emails; they wait for their leases to run out");
            }
        }
    }
    let of = |unit: &Unit| {
        unit.held
            .iter()
            .copied()
            .filter(|held| marked.contains(held))
            .collect()
    };
    units.iter().map(of).collect()
}

/// Rounds in which each reader stands once.
fn rounds(units: &[Unit]) -> Vec<Vec<Unit>> {
    let mut rounds: Vec<Vec<Unit>> = Vec::new();
    let mut before: HashMap<Uuid, usize> = HashMap::new();
    for unit in units {
        let nth = before.entry(unit.member_id).or_default();
        if *nth == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*nth].push(unit.clone());
        *nth += 1;
    }
    rounds
}

/// What became of one item of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// It is written, or never will be by this claim.
    Done,
    /// A row is locked.
    HeldUp,
}

/// Why nothing of a batch is written.
enum Unwritten {
    HeldUp,
    Refused,
}

/// What was sent must be known, so this is tried until the database answers, and as long as it takes no writes. Where it
/// refuses the batch, or a locked row holds it up, each item is written alone, so that one does not keep the others from it;
/// one that is refused alone is left to its lease.
async fn finish(database: Database, now: Timestamp, finished: Vec<Finish>) -> Vec<Written> {
    let mut held_up = HashSet::new();
    let mut written = HashSet::new();
    match write(&database, now, finished.clone()).await {
        Ok(all) => written = all,
        Err(_) => {
            for one in &finished {
                match write(&database, now, vec![one.clone()]).await {
                    Ok(one) => written.extend(one),
                    Err(Unwritten::Refused) => {}
                    Err(Unwritten::HeldUp) => drop(held_up.insert(one.held)),
                }
            }
        }
    }
    for finish in finished.iter().filter(|finish| !held_up.contains(&finish.held)) {
        if !written.contains(&finish.held) && finish.ending.is_none() {
            tracing::debug!(email_id = %finish.held.email_id, "the claim was taken away, and nothing was tried");
        } else if !written.contains(&finish.held) {
            measure::stale_finish();
            tracing::warn!(email_id = %finish.held.email_id, "the claim was taken away before its end was written");
        } else if let Move::Close(state) = finish.to {
            let ending = finish.ending.as_ref();
            tracing::info!(
                email_id = %finish.held.email_id,
                outcome = state.name(),
                step = ending.map(|ending| tracing::field::debug(ending.step)),
                code = ending.and_then(|ending| ending.code),
                "email closed"
            );
        }
    }
    let became = |finish: &Finish| {
        if held_up.contains(&finish.held) {
            Written::HeldUp
        } else {
            Written::Done
        }
    };
    finished.iter().map(became).collect()
}

/// Which of the claims were still held when this was written.
async fn write(
    database: &Database,
    now: Timestamp,
    finished: Vec<Finish>,
) -> Result<HashSet<Held>, Unwritten> {
    let mut refusals = 0;
    while refusals < FINISH_REFUSALS {
        let asked = finished.clone();
        let work = move |connection: &mut _| {
            let written = store::finish(connection, &asked, now)?;
            count_outcomes(&asked, &written);
            Ok(written)
        };
        match database.run(deadline(), work).await {
            Ok(written) => return Ok(written),
            Err(DatabaseError::Statement(error)) if is_held_up(&error) => {
                tracing::warn!(%error, "a locked row holds up what became of emails; will try again");
                return Err(Unwritten::HeldUp);
            }
            Err(error) => {
                refusals +=
                    u32::from(matches!(&error, DatabaseError::Statement(error) if !takes_no_writes(error)));
                tracing::warn!(%error, "cannot write what became of emails; will try again");
            }
        }
        tokio::time::sleep(FINISH_PAUSE).await;
    }
    Err(Unwritten::Refused)
}

/// Right after the commit: whoever asked may have stopped waiting, and finds the claims gone when it asks again.
fn count_outcomes(finished: &[Finish], written: &HashSet<Held>) {
    for finish in finished.iter().filter(|finish| written.contains(&finish.held)) {
        if let Move::Close(state) = finish.to {
            measure::outcome(Outcome {
                kind: finish.kind,
                state,
            });
        }
    }
}
