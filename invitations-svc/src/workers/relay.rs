//! Outbox → notify-svc: at least once; notify-svc knows each command by its key and makes it once.

mod commands;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use shell::{
    clock::{Clock, after},
    postgres::{Database, DatabaseError},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

pub use self::commands::Links;
use super::{
    jittered,
    notify::{Notify, is_away},
    within,
};
use crate::store::outbox::{self, Claimed, LANES};

/// Transitions in one call: two commands each stay below notify-svc's limit.
const BATCH: i64 = 200;

/// How long a claim holds. Past it another process may deliver the same again, which notify-svc makes once.
const LEASE: Duration = Duration::from_secs(15);

/// Longest time for one piece of database work.
const CALL: Duration = Duration::from_secs(5);

/// How long the relay sleeps when nobody wakes it, at most.
const POLL: Duration = Duration::from_secs(1);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether this process moves transitions to notify-svc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RelaySwitch {
    /// It does.
    On,
    /// They wait in the outbox, for another process or a later start.
    Off,
}

/// What the relay works with.
pub struct Relay {
    /// Where the outbox is.
    pub database: Database,
    /// Tells the time.
    pub clock: Clock,
    /// Makes the links that emails carry.
    pub links: Links,
    /// notify-svc.
    pub notify: Notify,
    /// Rung by a commit that owes emails.
    pub wake: Arc<tokio::sync::Notify>,
}

/// Why claimed transitions stay here.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error("notify-svc: {}", .0.message())]
    Notify(Status),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Stuck {
    /// Whether it has nothing to do with what was to be moved: notify-svc or the database cannot be reached.
    fn is_away(&self) -> bool {
        match self {
            Self::Notify(status) => is_away(status.code()),
            Self::Database(DatabaseError::Unavailable) => true,
            Self::Database(
                DatabaseError::Deadline | DatabaseError::Panicked | DatabaseError::Statement(_),
            ) => false,
        }
    }
}

impl Relay {
    /// Moves transitions until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        let mut measured: Option<Instant> = None;
        while !stop.is_cancelled() {
            if measured.is_none_or(|at| at.elapsed() >= POLL) {
                self.measure().await;
                measured = Some(Instant::now());
            }
            let pause = match self.sweep(&stop).await {
                Ok(moved) => {
                    failures = 0;
                    if moved > 0 {
                        continue;
                    }
                    jittered(POLL)
                }
                Err(stuck) => {
                    failures += 1;
                    tracing::warn!(failures, error = %stuck, "transitions wait in the outbox; will try again");
                    jittered(pause_after(failures))
                }
            };
            tokio::select! {
                // While notify-svc does not answer, a new transition is no reason to ask it sooner.
                () = self.wake.notified(), if failures == 0 => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Says how many transitions wait.
    async fn measure(&self) {
        match self.database.run(within(CALL), outbox::waiting).await {
            Ok(waiting) => metrics::gauge!("outbox_waiting").set(waiting as f64),
            Err(error) => tracing::warn!(%error, "cannot count what waits; outbox_waiting stands as it was"),
        }
    }

    /// Goes once through all lanes; answers how many transitions it moved. A lane that is stuck does not hold up the
    /// others, unless notify-svc or the database cannot be reached at all.
    async fn sweep(&self, stop: &CancellationToken) -> Result<usize, Stuck> {
        let mut moved = 0;
        let mut held_up = None;
        for lane in 0..LANES {
            if stop.is_cancelled() {
                break;
            }
            match self.drain(lane, stop).await {
                Ok(count) => moved += count,
                Err(stuck) if stuck.is_away() => return Err(stuck),
                Err(stuck) => held_up = Some(stuck),
            }
        }
        held_up.map_or(Ok(moved), Err)
    }

    async fn drain(&self, lane: i16, stop: &CancellationToken) -> Result<usize, Stuck> {
        let now = self.clock.now();
        let claimed = self
            .database
            .run(within(CALL), move |db| outbox::claim(db, lane, now, LEASE, BATCH))
            .await?;
        if claimed.is_empty() {
            return Ok(0);
        }
        let count = claimed.len();
        match self.deliver(&claimed).await {
            Ok(()) => self.delete(claimed).await?,
            Err(Stuck::Notify(status)) if is_for_good(status.code()) => {
                self.deliver_each(claimed, stop).await?
            }
            // Something in the batch may be what notify-svc or the database stumbles over each time.
            Err(stuck) if !stuck.is_away() && claimed.iter().any(|claim| claim.attempts > 2) => {
                tracing::warn!(error = %stuck, "a batch of transitions fails again; trying one by one");
                self.deliver_each(claimed, stop).await?;
            }
            Err(stuck) => {
                self.release(claimed).await?;
                return Err(stuck);
            }
        }
        Ok(count)
    }

    /// One by one, so that a transition which cannot be delivered does not hold up the others. What is left at
    /// `stop` is claimed again when the lease has run out.
    async fn deliver_each(&self, claimed: Vec<Claimed>, stop: &CancellationToken) -> Result<(), Stuck> {
        let mut held_up = None;
        for claim in claimed {
            if stop.is_cancelled() {
                break;
            }
            match self.deliver(std::slice::from_ref(&claim)).await {
                Ok(()) => self.delete(vec![claim]).await?,
                Err(Stuck::Notify(status)) if is_for_good(status.code()) => self.bury(claim, status).await?,
                Err(stuck) if !stuck.is_away() => {
                    self.release(vec![claim]).await?;
                    held_up = Some(stuck);
                }
                Err(stuck) => {
                    self.release(vec![claim]).await?;
                    return Err(stuck);
                }
            }
        }
        held_up.map_or(Ok(()), Err)
    }

    async fn deliver(&self, claimed: &[Claimed]) -> Result<(), Stuck> {
        let commands = commands::of(&self.database, &self.links, claimed, within(CALL)).await?;
        if !commands.is_empty() {
            self.notify.apply(commands).await.map_err(Stuck::Notify)?;
        }
        metrics::counter!("outbox_delivered_total").increment(claimed.len() as u64);
        Ok(())
    }

    async fn delete(&self, done: Vec<Claimed>) -> Result<(), DatabaseError> {
        self.database
            .run(within(CALL), move |db| outbox::delete(db, &done))
            .await
    }

    async fn release(&self, claimed: Vec<Claimed>) -> Result<(), DatabaseError> {
        let attempts = claimed
            .iter()
            .map(|claim| claim.attempts)
            .max()
            .unwrap_or_default();
        let due_at = after(self.clock.now(), jittered(pause_after(attempts)));
        self.database
            .run(within(CALL), move |db| outbox::release(db, &claimed, due_at))
            .await
            .map(|_| ())
    }

    async fn bury(&self, claim: Claimed, status: Status) -> Result<(), DatabaseError> {
        let (now, code) = (self.clock.now(), status.code());
        let (invitation_id, sequence) = (claim.event.invitation_id, claim.event.sequence);
        let reason = format!("{code:?}: {}", status.message());
        let buried = self
            .database
            .run(within(CALL), move |db| outbox::bury(db, &[claim], now, &reason))
            .await?;
        if buried == 0 {
            return Ok(());
        }
        metrics::counter!("outbox_dead_total").increment(1);
        tracing::error!(
            %invitation_id,
            sequence,
            ?code,
            "notify-svc refuses this transition's emails for good; outbox_dead has it, with the reason"
        );
        Ok(())
    }
}

/// Whether trying again cannot help.
fn is_for_good(code: Code) -> bool {
    match code {
        Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition | Code::OutOfRange => true,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

/// Doubles from a second.
fn pause_after(failures: i32) -> Duration {
    let doublings = u32::try_from(failures.clamp(1, 6)).unwrap_or(1) - 1;
    (Duration::from_secs(1) * 2u32.pow(doublings)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let seconds: Vec<u64> = (0..9).map(|failures| pause_after(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 8, 16, 30, 30, 30]);
    }
}
