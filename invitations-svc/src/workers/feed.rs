//! Outbox → feed, and word of it to the streams of this process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use shell::postgres::{Database, DatabaseError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{jittered, within};
use crate::store::feed::{self, Head, Positions};

/// Transitions that get positions in one transaction.
const SET: i64 = 5_000;

/// Longest time for one piece of database work.
const CALL: Duration = Duration::from_secs(5);

/// How long the worker sleeps when nobody wakes it, at most. What other processes move is seen as late.
const POLL: Duration = Duration::from_secs(1);

/// Time between two rounds while there is work: fewer, larger sets cost the database less.
const PACE: Duration = Duration::from_millis(100);

/// How long it leaves a lane to another process that is at it, at most.
const AFTER_YOU: Duration = Duration::from_millis(50);

/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whether this process keeps its transitions for those who follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FeedSwitch {
    /// Kept, and moved into the feed by this process.
    On,
    /// Kept; they wait in the outbox until another process moves them.
    Record,
    /// Not kept.
    Off,
}

/// Where the lanes stand, as this process knows it; none while the database does not answer.
pub type Heads = Option<Positions>;

/// What the worker works with.
pub struct Sequencer {
    database: Database,
    switch: FeedSwitch,
    wake: Arc<Notify>,
    heads: watch::Sender<Heads>,
}

/// What one round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// A set was full: there is more.
    More,
    /// Some were moved.
    Moved,
    /// Another process is at what there is.
    Busy,
    /// Nothing waits.
    Idle,
}

impl Sequencer {
    /// A worker that `wake` wakes, and where it says how far the lanes are. Switched off, it only looks what other
    /// processes move.
    pub fn new(database: Database, switch: FeedSwitch, wake: Arc<Notify>) -> (Self, watch::Receiver<Heads>) {
        let (heads, known) = watch::channel(None);
        let sequencer = Self {
            database,
            switch,
            wake,
            heads,
        };
        (sequencer, known)
    }

    /// Moves transitions until `stop`. Streams that wait for more end with it.
    pub async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        let mut measured: Option<Instant> = None;
        while !stop.is_cancelled() {
            if measured.is_none_or(|at| at.elapsed() >= POLL) {
                self.measure().await;
                measured = Some(Instant::now());
            }
            let pause = match self.round(&stop).await {
                Ok(round) => {
                    failures = 0;
                    match round {
                        Round::More => continue,
                        Round::Moved => PACE,
                        Round::Busy => jittered(AFTER_YOU),
                        Round::Idle => jittered(POLL),
                    }
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(failures, %error, "transitions wait for the feed; will try again");
                    jittered(pause_after(failures))
                }
            };
            let heeds = failures == 0 && pause != PACE && self.switch == FeedSwitch::On;
            tokio::select! {
                () = self.wake.notified(), if heeds => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Looks where the lanes are, says so, and goes once through those where something waits.
    async fn round(&self, stop: &CancellationToken) -> Result<Round, DatabaseError> {
        let looked = self.database.run(within(CALL), feed::heads).await;
        let known = looked
            .as_ref()
            .ok()
            .map(|heads| feed::positions(heads, |head| head.position));
        self.heads
            .send_if_modified(|before| std::mem::replace(before, known) != known);
        let waiting = looked?.into_iter().filter(|head| head.waits);
        match self.switch {
            FeedSwitch::On => self.advance(waiting.collect(), stop).await,
            FeedSwitch::Record | FeedSwitch::Off => Ok(Round::Idle),
        }
    }

    async fn advance(&self, lanes: Vec<Head>, stop: &CancellationToken) -> Result<Round, DatabaseError> {
        let mut round = Round::Idle;
        let mut failed = None;
        for Head { lane, .. } in lanes {
            if stop.is_cancelled() {
                break;
            }
            let advance = move |db: &mut _| feed::advance(db, lane, SET);
            let moved = match self.database.run(within(CALL), advance).await {
                Ok(moved) => moved,
                Err(DatabaseError::Unavailable) => return Err(DatabaseError::Unavailable),
                // One lane that cannot be read does not hold up the others.
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            round = match (moved, round) {
                (Some(0), _) => round,
                (Some(moved), before) => {
                    metrics::counter!("feed_sequenced_total").increment(moved as u64);
                    if moved as i64 >= SET || before == Round::More {
                        Round::More
                    } else {
                        Round::Moved
                    }
                }
                (None, Round::More | Round::Moved) => round,
                (None, Round::Busy | Round::Idle) => Round::Busy,
            };
        }
        failed.map_or(Ok(round), Err)
    }

    /// Says how many transitions wait.
    async fn measure(&self) {
        match self.database.run(within(CALL), feed::waiting).await {
            Ok(waiting) => metrics::gauge!("feed_waiting").set(waiting as f64),
            Err(error) => tracing::warn!(%error, "cannot count what waits; feed_waiting stands as it was"),
        }
    }
}

/// Doubles from half a second.
fn pause_after(failures: u32) -> Duration {
    (POLL / 2 * 2u32.pow(failures.clamp(1, 6) - 1)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let millis: Vec<u128> = (0..8).map(|failures| pause_after(failures).as_millis()).collect();
        assert_eq!(millis, [500, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    }
}
