//! Erases what members who were erased left behind: open invitations end, connections end, texts go.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use shell::{
    clock::{Clock, after},
    postgres::{Database, DatabaseError},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    duty::{CALL, Duty},
    jittered, within,
};
use crate::{
    domain::command::{Act, Command, Disconnect, Ending},
    ledger::{Ledger, LedgerError},
    store::erasure::{self, Erasure},
};

/// Rows read at once.
const SET: i64 = 1_000;

/// Commands under way at once.
const IN_FLIGHT: usize = 64;

/// How often the worker looks.
const POLL: Duration = Duration::from_secs(5);

/// What was decided by the member's row of before may be committed a little after it is gone; longer than any statement
/// takes. So the worker looks once more after it.
const STRAGGLERS: Duration = Duration::from_secs(60);

/// Why a member's rows are not all erased yet.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// The database gave no result.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The ledger did not decide.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What erasing works with.
#[derive(Clone)]
pub struct Eraser {
    /// Where the rows are.
    pub database: Database,
    /// Ends invitations and connections.
    pub ledger: Ledger,
    /// Tells the time.
    pub clock: Clock,
}

impl Eraser {
    /// Erases what there is of a member now. Nothing to do is OK.
    pub async fn erase(&self, member_id: Uuid, deadline: Instant) -> Result<(), Unfinished> {
        let read = self
            .database
            .run(deadline, move |db| erasure::under_way(db, Some(member_id)));
        for erasure in read.await? {
            self.sweep(erasure, deadline).await?;
        }
        Ok(())
    }

    /// As the worker of this process, known as `holder`, until `stop`.
    pub async fn run(self, holder: Uuid, stop: CancellationToken) {
        let duty = Duty {
            name: "erasure",
            holder,
            database: self.database.clone(),
            clock: self.clock.clone(),
        };
        while !stop.is_cancelled() {
            if let Err(error) = self.finish_all(&duty, &stop).await {
                tracing::warn!(%error, "rows of erased members wait; will try again");
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(POLL)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn finish_all(&self, duty: &Duty, stop: &CancellationToken) -> Result<(), Unfinished> {
        if !duty.is_mine().await? {
            return Ok(());
        }
        let read = self.database.run(within(CALL), |db| erasure::under_way(db, None));
        for erasure in read.await? {
            if stop.is_cancelled() || !duty.is_mine().await? {
                break;
            }
            let began = self.clock.now();
            self.sweep(erasure, within(CALL)).await?;
            if after(erasure.asked_at, STRAGGLERS) <= began {
                self.database
                    .run(within(CALL), move |db| erasure::finish(db, &erasure))
                    .await?;
                tracing::info!(member_id = %erasure.member_id, "erased");
            }
        }
        Ok(())
    }

    async fn sweep(&self, erasure: Erasure, deadline: Instant) -> Result<(), Unfinished> {
        loop {
            let read = self
                .database
                .run(deadline, move |db| erasure::pending(db, &erasure, SET));
            let voids: Vec<Act> = read.await?.into_iter().map(Act::Void).collect();
            if voids.is_empty() {
                break;
            }
            self.decide(voids, deadline).await?;
        }
        loop {
            let read = self
                .database
                .run(deadline, move |db| erasure::connected(db, &erasure, SET));
            let end = |other_id| {
                Act::Disconnect(Disconnect {
                    member_id: erasure.member_id,
                    other_id,
                    because: Ending::Erased,
                    entropy: rand::random(),
                })
            };
            let ends: Vec<Act> = read.await?.into_iter().map(end).collect();
            if ends.is_empty() {
                break;
            }
            self.decide(ends, deadline).await?;
        }
        self.database
            .run(deadline, move |db| erasure::blank(db, &erasure))
            .await?;
        Ok(())
    }

    async fn decide(&self, acts: Vec<Act>, deadline: Instant) -> Result<(), LedgerError> {
        let submit = |act| self.ledger.submit(Command { request: None, act }, deadline);
        let decided: Vec<_> = stream::iter(acts)
            .map(submit)
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        // A refusal would be a bug of ours; the worker says so by never coming to an end.
        decided.into_iter().try_for_each(|decided| decided.map(drop))
    }
}
