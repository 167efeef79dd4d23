//! Reminders and expiries: submits what is due, in sets, to the ledger, where it is judged again at that moment.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use shell::{
    clock::Clock,
    postgres::{Database, DatabaseError},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    duty::{CALL, Duty},
    jittered, within,
};
use crate::{
    domain::command::{Act, Command, Received},
    ledger::Ledger,
    store::due::{self, Place},
};

/// Invitations read at once.
const SET: i64 = 2_000;

/// Commands under way at once while nobody else has any: a part of what the ledger's queues hold.
const IN_FLIGHT: usize = 512;

/// The same beside callers, who wait; what is due has time.
const IN_FLIGHT_BESIDE: usize = 64;

/// Others' commands that make it give way.
const BUSY: usize = 8;

/// How long the worker sleeps when nothing is due, at most.
const POLL: Duration = Duration::from_secs(1);

/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether this process sends reminders and notes expiries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TimersSwitch {
    /// It does, in turn with other processes.
    On,
    /// Other processes do. Expired invitations are expired all the same.
    Off,
}

/// What the worker works with.
pub struct Timers {
    duty: Duty,
    ledger: Ledger,
}

impl Timers {
    /// A worker that is known as `holder`.
    pub fn new(holder: Uuid, database: Database, clock: Clock, ledger: Ledger) -> Self {
        let duty = Duty {
            name: "timers",
            holder,
            database,
            clock,
        };
        Self { duty, ledger }
    }

    /// Does what is due until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = POLL;
        while !stop.is_cancelled() {
            match self.sweep(&stop).await {
                Ok(0) => pause = POLL,
                // Whatever is wrong with these is not mended by trying at once.
                Ok(failures) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tracing::warn!(
                        failures,
                        "some reminders or expiries were not decided; they stay due"
                    );
                }
                Err(error) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tracing::warn!(%error, "reminders and expiries wait; will try again");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(pause)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Goes once through all that is due; answers how many were not decided. They stay due, and do not hold up what comes
    /// after them. While one set is decided, the next is read.
    async fn sweep(&self, stop: &CancellationToken) -> Result<usize, DatabaseError> {
        let mut failures = 0;
        let (mut set, mut place) = self.due_after(Place::START).await?;
        while !set.is_empty() && !stop.is_cancelled() {
            let (failed, next) = tokio::join!(self.settle(set), self.due_after(place));
            failures += failed;
            (set, place) = next?;
        }
        Ok(failures)
    }

    /// What is due after a place, and the place of the last; nothing where another process has the duty.
    async fn due_after(&self, place: Place) -> Result<(Vec<Received>, Place), DatabaseError> {
        if !self.duty.is_mine().await? {
            return Ok((Vec::new(), place));
        }
        let now = self.duty.clock.now();
        let read = self.duty.database.run(within(CALL), move |db| {
            let oldest = due::oldest(db, now)?;
            due::page(db, now, place, SET).map(|page| (page, oldest))
        });
        let (page, oldest) = read.await?;
        let age = oldest.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        metrics::gauge!("timers_oldest_due_seconds").set(age);
        Ok(page)
    }

    async fn settle(&self, set: Vec<Received>) -> usize {
        let deadline = within(CALL);
        let in_flight = if self.ledger.under_way() < BUSY {
            IN_FLIGHT
        } else {
            IN_FLIGHT_BESIDE
        };
        let decided = stream::iter(set).map(|named| self.decide(named, deadline));
        let decided = decided.buffer_unordered(in_flight);
        decided.filter(|done| std::future::ready(!done)).count().await
    }

    async fn decide(&self, named: Received, deadline: Instant) -> bool {
        let command = Command {
            request: None,
            act: Act::Due(named),
        };
        let done = self.ledger.submit(command, deadline).await.is_ok();
        metrics::counter!("timers_decided_total", "done" => if done { "yes" } else { "no" }).increment(1);
        done
    }
}
