//! Taking away leases that ran out, whoever held them, once whoever lives had time to keep theirs; and looking after the
//! hot table: how much is open, and whether it grew.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use shell::postgres::DatabaseError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::courier::{Courier, deadline};
use crate::{
    domain::{
        contact,
        delivery::{self, Move, Phase},
        email::Outcome,
        kind::Kind,
        reply::{Ending, Step, Verdict},
    },
    measure,
    store::{self, Finish, Lapsed, Open},
};

/// Leases taken away in one transaction.
const LIMIT: i64 = 500;
/// Longest time between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// Reaps until `stop`.
pub(super) async fn run(courier: Arc<Courier>, wake: Arc<Notify>, stop: CancellationToken) {
    let pause = PAUSE.min(contact::heartbeat(courier.duty.lease));
    let mut open = Vec::new();
    while !stop.is_cancelled() {
        match reap(&courier).await {
            Ok(reaped) => {
                if reaped > 0 {
                    wake.notify_one();
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look for leases that ran out"),
        }
        match courier.duty.database.run(deadline(), store::compact).await {
            Ok(true) => {
                tracing::info!("moved the open emails to fresh files; an old transaction holds up vacuum")
            }
            Ok(false) => {}
            Err(error) => {
                tracing::info!(%error, "cannot move the open emails to fresh files now; will try again")
            }
        }
        match count(&courier).await {
            Ok(counted) => open = counted,
            // What was open then is taken to be still, so that its age grows while nobody can look.
            Err(error) => tracing::warn!(%error, "cannot count open emails"),
        }
        tell(&open, courier.duty.clock.now());
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(rand::random_range(0.8..1.2))) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn count(courier: &Courier) -> Result<Vec<Open>, DatabaseError> {
    let now = courier.duty.clock.now();
    let work = move |connection: &mut _| store::open(connection, now);
    courier.duty.database.run(deadline(), work).await
}

fn tell(open: &[Open], now: Timestamp) {
    for kind in Kind::ALL {
        let of_kind = open.iter().find(|open| open.kind == kind);
        let oldest = of_kind.map_or(Duration::ZERO, |open| {
            now.duration_since(open.oldest).unsigned_abs()
        });
        let (count, delayed) = of_kind.map_or((0, 0), |open| (open.count, open.delayed));
        measure::open(kind, count, delayed, oldest);
    }
}

/// Answers how many leases were taken away.
async fn reap(courier: &Courier) -> Result<usize, DatabaseError> {
    // By this time, so that a stall from here on makes no lease look older than it was when the database answered.
    let before = courier.keep().await?;
    let now = courier.duty.clock.now();
    if !courier.contact().may_reap(courier.duty.lease) {
        return Ok(0);
    }
    let decide = move |lapsed: &Lapsed| decide(lapsed, now);
    let work = move |connection: &mut _| {
        let reaped = store::reap(connection, before, now, LIMIT, decide)?;
        // Right after the commit, whether or not somebody waits for the answer still.
        reaped.iter().for_each(|(phase, finish)| record(*phase, finish));
        Ok(reaped.len())
    };
    let reaped = courier.duty.database.run(deadline(), work).await;
    reaped.inspect_err(|_| courier.contact().lost())
}

fn decide(lapsed: &Lapsed, now: Timestamp) -> Finish {
    let to = delivery::after_lease(lapsed.kind, lapsed.phase, lapsed.progress, now);
    let ending = match lapsed.phase {
        Phase::Claimed => None,
        Phase::Body => {
            let ending = Ending {
                step: Step::Body,
                code: None,
                enhanced: None,
                relay: None,
                text: "the lease ran out after the body began".to_owned(),
            };
            Some(delivery::in_history(ending, Verdict::Unknown, to))
        }
    };
    Finish {
        held: lapsed.held,
        worker: lapsed.worker,
        kind: lapsed.kind,
        to,
        ending,
        suppress: false,
    }
}

fn record(phase: Phase, finish: &Finish) {
    measure::lease_expired(phase);
    let email_id = finish.held.email_id;
    tracing::warn!(%email_id, ?phase, "a lease ran out and was taken away");
    if let Move::Close(state) = finish.to {
        measure::outcome(Outcome {
            kind: finish.kind,
            state,
        });
    }
}
