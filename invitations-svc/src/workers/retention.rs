//! Lets go of what is kept no longer, in sets, so that no table grows for ever by what nobody asks for.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
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
    domain::policy::Policy,
    store::{feed, retention},
};

/// Rows that one statement lets go of.
const SET: i64 = 5_000;

/// How often the worker looks.
const POLL: Duration = Duration::from_secs(10);

/// Stored answers are kept a little longer than they count, for clocks that differ.
const SLACK: Duration = Duration::from_secs(60 * 60);

/// What the worker works with.
pub struct Retention {
    duty: Duty,
    policy: Arc<Policy>,
    closed_for: Option<Duration>,
    feed_for: Duration,
}

impl Retention {
    /// A worker that is known as `holder`. Closed invitations are kept for `closed_for`, for ever where it is none; the
    /// feed for `feed_for`.
    pub fn new(
        holder: Uuid,
        database: Database,
        clock: Clock,
        policy: Arc<Policy>,
        closed_for: Option<Duration>,
        feed_for: Duration,
    ) -> Self {
        let duty = Duty {
            name: "retention",
            holder,
            database,
            clock,
        };
        Self {
            duty,
            policy,
            closed_for,
            feed_for,
        }
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.sweep(&stop).await {
                tracing::warn!(%error, "old rows are kept for now; will try again");
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(POLL)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn sweep(&self, stop: &CancellationToken) -> Result<(), DatabaseError> {
        let kept = self.policy.request_memory + SLACK;
        self.drain("request", kept, retention::requests, stop).await?;
        self.drain("transition", self.feed_for, feed::trim, stop).await?;
        match self.closed_for {
            Some(kept) => self.drain("invitation", kept, retention::closed, stop).await,
            None => Ok(()),
        }
    }

    async fn drain(
        &self,
        what: &'static str,
        kept: Duration,
        forget: retention::Forget,
        stop: &CancellationToken,
    ) -> Result<(), DatabaseError> {
        while !stop.is_cancelled() && self.duty.is_mine().await? {
            let now = self.duty.clock.now();
            let before = now.saturating_sub(kept).unwrap_or(Timestamp::MIN);
            let work = self
                .duty
                .database
                .run(within(CALL), move |db| forget(db, before, SET));
            let gone = work.await?;
            metrics::counter!("retention_forgotten_total", "what" => what).increment(gone as u64);
            if gone == 0 {
                break;
            }
        }
        Ok(())
    }
}
