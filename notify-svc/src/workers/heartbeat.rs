//! Keeping leases: as long as this process lives and works on an email, nobody else takes it.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::courier::Courier;
use crate::domain::contact;

/// Pause before leases are extended again after the database failed: others count on it when it is back.
const PAUSE: Duration = Duration::from_millis(200);

/// Extends leases three times as often as needed, until `drained`.
pub(super) async fn run(courier: Arc<Courier>, drained: CancellationToken) {
    let mut pause = contact::heartbeat(courier.duty.lease);
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = drained.cancelled() => return,
        }
        pause = match courier.keep().await {
            Ok(_) => contact::heartbeat(courier.duty.lease),
            Err(error) => {
                tracing::warn!(%error, "cannot extend leases; will try again");
                PAUSE
            }
        };
    }
}
