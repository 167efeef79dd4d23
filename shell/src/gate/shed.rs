//! Is there room? Overload is refused at once, before any work.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::errors;

/// A number of places for calls, shared by all connections.
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// A place that is held until it is dropped, or UNAVAILABLE with a retry hint.
    pub(super) fn enter(&self, domain: &str) -> Result<OwnedSemaphorePermit, Status> {
        self.0.clone().try_acquire_owned().map_err(|_| overloaded(domain))
    }
}

fn overloaded(domain: &str) -> Status {
    metrics::counter!("grpc_shed_total").increment(1);
    errors::retry(
        domain,
        "OVERLOADED",
        "too many calls at once; nothing was done",
        Duration::from_millis(200),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_refused_until_somebody_leaves() {
        let room = Room::new(1);
        let place = room.enter("test.v1").expect("there is room");
        assert_eq!(
            room.enter("test.v1").expect_err("full").code(),
            tonic::Code::Unavailable
        );
        drop(place);
        assert!(room.enter("test.v1").is_ok());
    }
}
