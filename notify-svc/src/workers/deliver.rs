//! Sending: claim what is due, as much as can be sent now, and send it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use shell::{clock::after, postgres::DatabaseError};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::courier::{Courier, deadline};
use crate::{
    domain::{
        delivery::{self, Move},
        relay::relay_fault,
        reply::{Ending, verdict},
    },
    measure,
    smtp::{NotOpen, message},
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
        let claimed = match courier.duty.transport.usable_at() {
            Some(_paused) => Vec::new(),
            None => claim(&courier, free).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot claim emails; will try again");
                Vec::new()
            }),
        };
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
            Attempt::Ended(ending) => {
                let (to, ending) = judged(courier, email, ending);
                (to, Some(ending))
            }
            Attempt::Postponed => (postponed(courier, email), None),
            Attempt::Unmarked => return,
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

/// What became of trying to send.
enum Attempt {
    Ended(Ending),
    /// Every mail server is paused.
    Postponed,
    /// The email was cancelled meanwhile, or is not ours any more.
    Unmarked,
}

async fn attempt(courier: &Courier, email: &Claimed, held: Held) -> Attempt {
    let head = &courier.duty.head;
    let composed = message::envelope(email, head).and_then(|to| Ok((to, message::compose(email, head)?)));
    let (envelope, bytes) = match composed {
        Ok(composed) => composed,
        Err(unfit) => return Attempt::Ended(unfit),
    };
    let open = match courier.duty.transport.open(&envelope).await {
        Ok(open) => open,
        Err(NotOpen::Ended(ending)) => return Attempt::Ended(ending),
        Err(NotOpen::Paused) => return Attempt::Postponed,
    };
    if courier.mark.submit(held).await != Some(true) {
        measure::unmarked();
        return Attempt::Unmarked;
    }
    Attempt::Ended(open.send(&bytes).await)
}

/// What the mail servers are at fault for burns no attempt; the email goes out once one of them may be used.
fn postponed(courier: &Courier, email: &Claimed) -> Move {
    let pause = courier.duty.transport.usable_at();
    let pause = pause.map_or(Duration::ZERO, |until| {
        until.saturating_duration_since(Instant::now())
    });
    Move::Wait {
        run_at: after(courier.duty.clock.now(), pause),
        progress: email.progress,
    }
}

/// Where the email goes after this end of an attempt, and what the history keeps of it.
fn judged(courier: &Courier, email: &Claimed, ending: Ending) -> (Move, Ending) {
    let verdict = verdict(ending.step, ending.code);
    tracing::info!(
        email_id = %email.email_id, step = ?ending.step, code = ending.code, ?verdict, "attempt ended"
    );
    let to = if relay_fault(ending.step, ending.code, ending.enhanced) {
        postponed(courier, email)
    } else {
        delivery::after_attempt(
            email.kind,
            email.progress,
            verdict,
            courier.duty.clock.now(),
            &courier.duty.policy,
        )
    };
    (to, delivery::in_history(ending, verdict, to))
}
