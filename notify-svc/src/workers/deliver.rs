//! Sending: claim what is due, as much as can be sent now, and send it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use shell::postgres::DatabaseError;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    courier::{Courier, deadline},
    message,
};
use crate::{
    domain::{kind::Kind, restraint::Company},
    store::{self, Claimed},
};

/// Longest time between two looks at the queue; signals come only from this process.
const POLL: Duration = Duration::from_secs(1);

/// Reminders in one message.
const GATHERED: usize = 100;

/// Sends until `stop`. Then lets sends under way end, at most `patience`, and gives back what is not begun.
///
/// More is claimed than is sent at once, so that claims are few and no place to send stands empty while one is made or
/// an end is written down; but not much more, because what waits here cannot be sent by another process.
pub(super) async fn run(
    courier: Arc<Courier>,
    wake: Arc<Notify>,
    stop: CancellationToken,
    patience: Duration,
) {
    let most = 2 * courier.duty.transport.capacity();
    let claims = Arc::new(Semaphore::new(most));
    let mut sends = JoinSet::new();
    while let Some(free) = free_claims(&claims, most, &stop).await {
        while sends.try_join_next().is_some() {}
        let claimed = match courier.duty.transport.paused_for() {
            Some(_pause) => Vec::new(),
            None => claim(&courier, free).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot claim emails; will try again");
                Vec::new()
            }),
        };
        let there_may_be_more = claimed.len() == free;
        for emails in by_reader(claimed) {
            let courier = courier.clone();
            let claim = claims
                .clone()
                .try_acquire_owned()
                .expect("only this loop takes them");
            sends.spawn(async move {
                deliver(&courier, emails).await;
                drop(claim);
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

/// Waits until a claim is worth its statement. None when it is time to stop.
async fn free_claims(claims: &Semaphore, most: usize, stop: &CancellationToken) -> Option<usize> {
    let worth = u32::try_from(most.div_ceil(4)).unwrap_or(u32::MAX);
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        free = claims.acquire_many(worth) => {
            drop(free);
            Some(claims.available_permits())
        }
    }
}

async fn claim(courier: &Courier, places: usize) -> Result<Vec<Claimed>, DatabaseError> {
    let (worker, now, lease) = (courier.worker, courier.duty.clock.now(), courier.duty.lease);
    let work = move |connection: &mut _| store::claim(connection, places, worker, now, lease);
    let claimed = courier.duty.claims.run(deadline(), work).await?;
    Ok(courier.unheld(claimed))
}

async fn gather(courier: &Courier, member_id: Uuid) -> Result<Vec<Claimed>, DatabaseError> {
    let (worker, now, lease) = (courier.worker, courier.duty.clock.now(), courier.duty.lease);
    let work =
        move |connection: &mut _| store::claim_reminders(connection, member_id, GATHERED, worker, now, lease);
    let claimed = courier.duty.database.run(deadline(), work).await?;
    Ok(courier.unheld(claimed))
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

/// Reminders of one reader stay together; every other email is for itself.
fn by_reader(claimed: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    let mut groups: Vec<Vec<Claimed>> = Vec::with_capacity(claimed.len());
    let mut reminders: HashMap<Uuid, usize> = HashMap::new();
    for email in claimed {
        match email.kind() {
            Kind::Reminder => {
                let at = *reminders.entry(email.member_id).or_insert(groups.len());
                if at == groups.len() {
                    groups.push(Vec::new());
                }
                groups[at].push(email);
            }
            Kind::Initial | Kind::Acceptance | Kind::Reply => groups.push(vec![email]),
        }
    }
    groups
}

/// Sends what may go out of these emails of one reader. What comes together takes the others that wait with it; the rest
/// goes one by one, so that no reader gets two emails at once.
async fn deliver(courier: &Courier, emails: Vec<Claimed>) {
    let _holding: Vec<_> = emails.iter().map(|email| courier.hold(email.held)).collect();
    let mut together = Vec::new();
    for email in message::judged(courier, emails).await {
        match email {
            (email, Company::Together) => together.push(email),
            (email, Company::Alone) => message::send(courier, vec![email], Company::Alone).await,
        }
    }
    let Some(first) = together.first() else {
        return;
    };
    let more = gather(courier, first.member_id).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot gather reminders; those at hand go out");
        Vec::new()
    });
    let _holding: Vec<_> = more.iter().map(|email| courier.hold(email.held)).collect();
    together.extend(
        message::judged(courier, more)
            .await
            .into_iter()
            .map(|(email, _)| email),
    );
    message::send(courier, together, Company::Together).await;
}
