//! Reminders and expiries: submits what is due, in sets, to the ledger, where it is judged again at that moment.

use std::{
    future::ready,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use shell::{
    clock::Clock,
    postgres::{Database, DatabaseError},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    duty::{CALL, Duty},
    jittered, within,
};
use crate::{
    domain::command::{Act, Command, Received},
    ledger::{Ledger, UnderWay},
    store::due::{self, Place},
};

/// Invitations read at once.
const SET: i64 = 2_000;

/// Commands under way beside callers, who wait; what is due has time.
const BESIDE: usize = 48;

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
    /// Its own commands under way.
    under_way: AtomicUsize,
    /// Places for those that are begun beside callers.
    beside: Semaphore,
    /// Commands under way while nobody else has any. Wherever they wait, a quarter of each queue is left to callers.
    alone: usize,
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
        let alone = (ledger.queue() * 3 / 4).max(1);
        Self {
            duty,
            ledger,
            under_way: AtomicUsize::new(0),
            beside: Semaphore::new(BESIDE.min(alone)),
            alone,
        }
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
    /// after them. While the next set is read, what is under way goes on.
    async fn sweep(&self, stop: &CancellationToken) -> Result<usize, DatabaseError> {
        let mut failures = 0;
        let mut under_way = FuturesUnordered::new();
        let mut read = self.due_after(Place::START, stop).await;
        while let Ok(Some((set, place))) = read {
            for named in set {
                under_way.push(self.decide(named));
                if under_way.len() >= self.alone {
                    failures += usize::from(under_way.next().await == Some(false));
                }
            }
            read = self.due_after(place, stop).await;
        }
        failures += under_way.filter(|done| ready(!done)).count().await;
        read.map(|_| failures)
    }

    /// What is due after a place, and the place of the last; none where nothing is, another process has the duty, or it is
    /// time to stop.
    async fn due_after(
        &self,
        place: Place,
        stop: &CancellationToken,
    ) -> Result<Option<(Vec<Received>, Place)>, DatabaseError> {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let now = self.duty.clock.now();
        let oldest = self
            .duty
            .database
            .run(within(CALL), move |db| due::oldest(db, now));
        // Told by every process: the one that has the duty may be the one that is stuck.
        let age = oldest
            .await?
            .map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        metrics::gauge!("timers_oldest_due_seconds").set(age);
        if !self.duty.is_mine().await? {
            return Ok(None);
        }
        let read = move |db: &mut _| due::page(db, now, place, SET);
        let (set, place) = self.duty.database.run(within(CALL), read).await?;
        Ok((!set.is_empty()).then_some((set, place)))
    }

    async fn decide(&self, named: Received) -> bool {
        let _place = if self.has_company() {
            self.beside.acquire().await.ok()
        } else {
            None
        };
        let command = Command {
            request: None,
            act: Act::Due(named),
        };
        let own = UnderWay::count(&self.under_way);
        let done = self.ledger.submit(command, within(CALL)).await.is_ok();
        drop(own);
        metrics::counter!("timers_decided_total", "done" => if done { "yes" } else { "no" }).increment(1);
        done
    }

    /// Whether others have commands under way.
    fn has_company(&self) -> bool {
        let own = self.under_way.load(Ordering::Relaxed);
        self.ledger.under_way().saturating_sub(own) >= BUSY
    }
}
