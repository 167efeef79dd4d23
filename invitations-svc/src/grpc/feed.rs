//! FeedService.

mod cursor;
mod progress;
mod watch;

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::Stream;
use proto::invitations::v1 as pb;
use shell::{
    errors::{from_database, refusal, retry, unavailable},
    fields::Violations,
    gate::{self, Role},
};
use tokio::sync::{Semaphore, watch::Receiver};
use tonic::{Code, Request, Response, Status};

use self::{
    cursor::{Cursor, TooOld, reach},
    progress::Progress,
    watch::Watch,
};
use super::{DOMAIN, Rooms};
use crate::{domain::audience::Audience, store::feed, workers::feed::Heads};

/// Windows that all streams together read at once, so that calls find connections beside them.
const READERS: usize = 2;

/// What streams work with.
#[derive(Clone)]
pub struct Follow {
    heads: Receiver<Heads>,
    kept: Duration,
    heartbeat: Duration,
    places: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl Follow {
    /// For up to `places` streams. `heads` says how far the lanes are, transitions are kept for `kept`.
    pub fn new(heads: Receiver<Heads>, kept: Duration, heartbeat: Duration, places: usize) -> Self {
        Self {
            heads,
            kept,
            heartbeat,
            places: Arc::new(Semaphore::new(places)),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }
}

pub(super) struct Service(pub(super) Rooms);

#[tonic::async_trait]
impl pb::feed_service_server::FeedService for Service {
    type WatchTransitionsStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchTransitionsResponse, Status>> + Send>>;

    async fn watch_transitions(
        &self,
        request: Request<pb::WatchTransitionsRequest>,
    ) -> Result<Response<Self::WatchTransitionsStream>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let rooms = &self.0;
        let mut violations = Violations::default();
        let audience = match violations.optional_uuid("member_id", &request.member_id) {
            Some(id) => Audience::Member(id),
            None => {
                caller.require(&[Role::Feed], DOMAIN)?;
                Audience::Service
            }
        };
        let cursor = Cursor::open(&mut violations, &rooms.keys, audience, &request.cursor);
        violations.into_result(DOMAIN, ())?;
        let place = rooms.follow.places.clone().try_acquire_owned();
        let place = place.map_err(|_| full())?;
        let looked = rooms.database.run(deadline, feed::heads).await;
        let heads = looked.map_err(|error| from_database(DOMAIN, &error))?;
        let now = rooms.clock.now();
        let start = Cursor::start(cursor, audience, &heads, now, rooms.follow.kept);
        let start = start.map_err(|TooOld| too_old())?;
        let mut known = rooms.follow.heads.clone();
        // Right after the process has started, nobody has looked yet.
        if known.wait_for(Option::is_some).await.is_err() {
            return Err(unavailable(DOMAIN));
        }
        let progress = Progress::new(start, reach(rooms.follow.kept));
        let watch = Watch::new(rooms.clone(), known, progress, place);
        Ok(Response::new(Box::pin(watch.stream())))
    }
}

fn full() -> Status {
    retry(
        DOMAIN,
        "TOO_MANY_STREAMS",
        "this process serves as many streams as it may; another one may have room",
        Duration::from_secs(1),
    )
}

/// What comes after the cursor is no longer kept.
fn too_old() -> Status {
    refusal(
        Code::OutOfRange,
        DOMAIN,
        "FEED_CURSOR_TOO_OLD",
        "transitions after this cursor are no longer kept; begin again with an empty cursor",
    )
}
