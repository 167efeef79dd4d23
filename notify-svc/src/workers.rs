//! What happens without being asked: sending, keeping leases, taking leases away. Workers have no input: woken by a
//! signal or by time, they look at the database.

mod batch;
mod courier;
mod deliver;
mod heartbeat;
mod message;
mod reap;

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use self::courier::{Courier, Duty};

/// Works until `stop`, then finishes what is being sent, at most `patience`, and gives the rest back.
pub(crate) async fn run(duty: Duty, wake: Arc<Notify>, stop: CancellationToken, patience: Duration) {
    let courier = Arc::new(Courier::start(duty));
    let drained = CancellationToken::new();
    let heartbeat = tokio::spawn(heartbeat::run(courier.clone(), drained.clone()));
    let reap = tokio::spawn(reap::run(courier.clone(), wake.clone(), stop.clone()));
    deliver::run(courier, wake, stop, patience).await;
    drained.cancel();
    for worker in [heartbeat, reap] {
        if worker.await.is_err() {
            tracing::error!("a worker panicked; the line before this one says where");
        }
    }
}
