//! What happens without being asked: sending, keeping leases, taking leases away, reading what came back, erasing what is
//! old. Workers have no input: woken by a signal or by time, they look at the database.

mod batch;
mod bounces;
mod courier;
mod deliver;
mod heartbeat;
mod message;
mod reap;
mod retention;

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    bounces::Bounces,
    courier::{Courier, Duty},
    retention::Retention,
};

/// What is done beside the sending, where it is asked for.
pub(crate) struct Chores {
    pub(crate) bounces: Option<Bounces>,
    pub(crate) retention: Option<Retention>,
}

/// Works until `stop`, then finishes what is being sent, at most `patience`, and gives the rest back.
pub(crate) async fn run(
    duty: Duty,
    chores: Chores,
    wake: Arc<Notify>,
    stop: CancellationToken,
    patience: Duration,
) {
    let courier = Arc::new(Courier::start(duty));
    let drained = CancellationToken::new();
    let heartbeat = tokio::spawn(heartbeat::run(courier.clone(), drained.clone()));
    let reap = tokio::spawn(reap::run(courier.clone(), wake.clone(), stop.clone()));
    let Chores { bounces, retention } = chores;
    let bounces = bounces.map(|bounces| tokio::spawn(bounces.run(stop.clone())));
    let retention = retention.map(|retention| tokio::spawn(retention.run(stop.clone())));
    deliver::run(courier, wake, stop, patience).await;
    drained.cancel();
    for worker in [heartbeat, reap].into_iter().chain(bounces).chain(retention) {
        if worker.await.is_err() {
            tracing::error!("a worker panicked; the line before this one says where");
        }
    }
}
