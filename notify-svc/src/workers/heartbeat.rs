//! Keeping leases: as long as this process lives and works on an email, nobody else takes it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::courier::{Courier, deadline};
use crate::store;

/// Extends leases three times as often as needed, until `drained`.
pub(super) async fn run(courier: Arc<Courier>, drained: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(courier.duty.lease / 3) => {}
            () = drained.cancelled() => return,
        }
        let held = courier.holds();
        if held.is_empty() {
            continue;
        }
        let (worker, until) = (courier.worker, courier.lease_until());
        let work = move |connection: &mut _| store::extend(connection, &held, worker, until);
        if let Err(error) = courier.duty.database.run(deadline(), work).await {
            tracing::warn!(%error, "cannot extend leases");
        }
    }
}
