//! Erases what members who were erased left behind: open invitations end, connections end, texts go, and notify-svc
//! forgets them.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use shell::{
    clock::{Clock, after},
    postgres::{Database, DatabaseError},
};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use uuid::Uuid;

use super::{
    duty::{CALL, Duty},
    jittered,
    notify::{Notify, is_away},
    within,
};
use crate::{
    domain::command::{Act, Command, Disconnect, Ending},
    ledger::{Ledger, LedgerError},
    store::{
        erasure::{self, Erasure},
        outbox,
    },
};

/// Rows read at once.
const SET: i64 = 1_000;

/// Commands under way at once.
const IN_FLIGHT: usize = 64;

/// How often the worker looks.
const POLL: Duration = Duration::from_secs(5);

/// How often it looks while notify-svc does not answer, so that what piles up meanwhile is not gone through for nothing.
const AWAY_POLL: Duration = Duration::from_secs(15);

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
    /// Erases what there is now of members who were erased and are not known again. Nothing to do is OK.
    pub async fn erase(&self, member_ids: Vec<Uuid>, deadline: Instant) -> Result<(), Unfinished> {
        let read = self
            .database
            .run(deadline, move |db| erasure::under_way(db, Some(&member_ids)));
        for erasure in read.await?.into_iter().filter(|erasure| !erasure.known_again) {
            self.sweep(erasure, deadline).await?;
        }
        Ok(())
    }

    /// As the worker of this process, known as `holder`, until `stop`. Members are erased once `notify` has forgotten
    /// them, too.
    pub async fn run(self, holder: Uuid, notify: Notify, stop: CancellationToken) {
        let duty = Duty {
            name: "erasure",
            holder,
            database: self.database.clone(),
            clock: self.clock.clone(),
        };
        while !stop.is_cancelled() {
            let pause = self.finish_all(&duty, &notify, &stop).await;
            let pause = pause.unwrap_or_else(|error| {
                tracing::warn!(%error, "rows of erased members wait; will try again");
                POLL
            });
            tokio::select! {
                () = tokio::time::sleep(jittered(pause)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Answers when to look again.
    async fn finish_all(
        &self,
        duty: &Duty,
        notify: &Notify,
        stop: &CancellationToken,
    ) -> Result<Duration, Unfinished> {
        if !duty.is_mine().await? {
            return Ok(POLL);
        }
        let mut notify_is_away = false;
        // Before it is read who is known again: what comes to such a member later is theirs.
        let looked_at = self.clock.now();
        let read = self.database.run(within(CALL), |db| erasure::under_way(db, None));
        for erasure in read.await? {
            if stop.is_cancelled() || !duty.is_mine().await? {
                break;
            }
            let began = self.clock.now();
            let member_id = erasure.member_id;
            match self.sweep(erasure, within(CALL)).await {
                Ok(()) => {}
                Err(Unfinished::Database(DatabaseError::Unavailable)) => {
                    return Err(Unfinished::Database(DatabaseError::Unavailable));
                }
                // Others do not wait for this one.
                Err(error) => {
                    tracing::warn!(%member_id, %error, "rows of an erased member wait; will try again");
                    continue;
                }
            }
            if notify_is_away {
                continue;
            }
            match self.finish(erasure, notify, looked_at, began).await {
                Ok(Some(code)) => notify_is_away = is_away(code),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%member_id, %error, "erasing a member is not finished; will try again");
                }
            }
        }
        Ok(if notify_is_away { AWAY_POLL } else { POLL })
    }

    /// Has notify-svc forget a member of whom no row is left here, and notes the end of their erasing if there is nothing
    /// more to come. Answers what notify-svc failed with.
    async fn finish(
        &self,
        erasure: Erasure,
        notify: &Notify,
        looked_at: Timestamp,
        began: Timestamp,
    ) -> Result<Option<Code>, DatabaseError> {
        let member_id = erasure.member_id;
        // Asked before notify-svc is: what left the outbox before is there already.
        let read = move |db: &mut _| outbox::is_waiting_for(db, member_id);
        let waiting = self.database.run(within(CALL), read).await;
        let left = match notify.erase_member(member_id, erasure.until(looked_at)).await {
            Ok(left) => left,
            Err(status) => {
                let code = status.code();
                tracing::warn!(%member_id, ?code, "notify-svc has not forgotten a member; will try again");
                return Ok(Some(code));
            }
        };
        if !waiting? && left == 0 && after(erasure.asked_at, STRAGGLERS) <= began {
            self.database
                .run(within(CALL), move |db| erasure::finish(db, &erasure))
                .await?;
            tracing::info!(%member_id, "erased");
        }
        Ok(None)
    }

    async fn sweep(&self, erasure: Erasure, deadline: Instant) -> Result<(), Unfinished> {
        // The member may be known again since it was read.
        let member_id = erasure.member_id;
        let read = self
            .database
            .run(deadline, move |db| erasure::under_way(db, Some(&[member_id])));
        let Some(erasure) = read.await?.pop() else {
            return Ok(());
        };
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
