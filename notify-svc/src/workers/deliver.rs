//! Sending: claim what is due, as much as can be sent now, and send it.

use std::{sync::Arc, time::Duration};

use shell::postgres::DatabaseError;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::courier::{Courier, deadline};
use crate::{
    domain::{
        delivery::{self, Move},
        reply::{Ending, verdict},
    },
    measure,
    smtp::message,
    store::{self, Claimed, Finish, Held},
};

/// Longest time between two looks at the queue; signals come only from this process.
const POLL: Duration = Duration::from_secs(1);

/// Sends until `stop`. Then lets sends under way end, at most `patience`, and gives back what is not begun.
pub(super) async fn run(
    courier: Arc<Courier>,
    wake: Arc<Notify>,
    stop: CancellationToken,
    patience: Duration,
) {
    let places = Arc::new(Semaphore::new(courier.duty.concurrency));
    let mut sends = JoinSet::new();
    while let Some(free) = free_places(&places, &stop).await {
        while sends.try_join_next().is_some() {}
        let claimed = claim(&courier, free).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot claim emails; will try again");
            Vec::new()
        });
        let there_may_be_more = claimed.len() == free;
        for email in claimed {
            let courier = courier.clone();
            let place = places
                .clone()
                .try_acquire_owned()
                .expect("only this loop takes places");
            sends.spawn(async move {
                deliver(&courier, &email).await;
                drop(place);
            });
        }
        if !there_may_be_more {
            tokio::select! {
                () = stop.cancelled() => {}
                () = wake.notified() => {}
                () = tokio::time::sleep(POLL.mul_f64(rand::random_range(0.5..1.0))) => {}
            }
        }
    }
    let drain = async { while sends.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, drain).await.is_err() {
        tracing::warn!("emails were still being sent at the end of the shutdown's patience");
        sends.shutdown().await;
    }
    give_back(&courier).await;
}

/// Waits until something can be sent. None when it is time to stop.
async fn free_places(places: &Semaphore, stop: &CancellationToken) -> Option<usize> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        place = places.acquire() => {
            drop(place);
            Some(places.available_permits())
        }
    }
}

async fn claim(courier: &Courier, places: usize) -> Result<Vec<Claimed>, DatabaseError> {
    let (worker, now, until) = (courier.worker, courier.duty.clock.now(), courier.lease_until());
    let work = move |connection: &mut _| store::claim(connection, places, worker, now, until());
    courier.duty.database.run(deadline(), work).await
}

async fn give_back(courier: &Courier) {
    let worker = courier.worker;
    let given = courier
        .duty
        .database
        .run(deadline(), move |connection| store::release(connection, worker))
        .await;
    match given {
        Ok(count) => tracing::info!(count, "gave back emails that were not begun"),
        Err(error) => tracing::warn!(%error, "cannot give emails back; their leases will run out"),
    }
}

async fn deliver(courier: &Courier, email: &Claimed) {
    let held = Held {
        email_id: email.email_id,
        epoch: email.epoch,
    };
    let _holding = courier.hold(held);
    let (to, ending) = match decided(courier, email) {
        Some(to) => (to, None),
        None => match attempt(courier, email, held).await {
            Some(ending) => {
                let (to, ending) = judged(courier, email, ending);
                (to, Some(ending))
            }
            None => return,
        },
    };
    let finish = Finish {
        held,
        kind: email.kind,
        to,
        ending,
    };
    courier.finish.submit(finish).await;
}

/// The email's outcome where it does not go out at all.
fn decided(courier: &Courier, email: &Claimed) -> Option<Move> {
    let state = delivery::before_sending(
        email.kind,
        email.event_time,
        email.progress,
        email.fenced,
        courier.duty.clock.now(),
        &courier.duty.policy,
    );
    state.map(Move::Close)
}

/// Tries to send the email. None where the mark did not succeed: it was cancelled meanwhile, or is not ours any more.
async fn attempt(courier: &Courier, email: &Claimed, held: Held) -> Option<Ending> {
    let message = match message::compose(email, &courier.duty.head) {
        Ok(message) => message,
        Err(unfit) => return Some(unfit),
    };
    let open = match courier.duty.transport.open(&message).await {
        Ok(open) => open,
        Err(ending) => return Some(ending),
    };
    if courier.mark.submit(held).await != Some(true) {
        measure::unmarked();
        return None;
    }
    Some(open.send(&message).await)
}

/// Where the email goes after this end of an attempt, and what the history keeps of it.
fn judged(courier: &Courier, email: &Claimed, ending: Ending) -> (Move, Ending) {
    let verdict = verdict(ending.step, ending.code);
    tracing::info!(
        email_id = %email.email_id, step = ?ending.step, code = ending.code, ?verdict, "attempt ended"
    );
    let to = delivery::after_attempt(
        email.kind,
        email.progress,
        verdict,
        courier.duty.clock.now(),
        &courier.duty.policy,
    );
    (to, delivery::in_history(ending, verdict, to))
}
