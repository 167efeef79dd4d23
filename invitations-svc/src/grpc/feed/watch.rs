//! One stream: pulled by its reader, woken by the worker that knows how far the lanes are.

use std::time::Duration;

use futures_util::{Stream, stream::try_unfold};
use proto::invitations::v1 as pb;
use shell::{
    clock::to_proto,
    errors::{from_database, retry, unavailable},
    postgres::DatabaseError,
};
use tokio::{
    sync::{OwnedSemaphorePermit, watch::Receiver},
    time::{Instant, sleep_until},
};
use tonic::Status;

use super::{
    DOMAIN, Rooms,
    progress::{Progress, Trimmed},
    too_old,
};
use crate::{
    domain::{
        audience::{Audience, Followed},
        transition::EventKind,
    },
    store::feed::{self, Range},
    workers::feed::Heads,
};

/// Longest time for one window.
const CALL: Duration = Duration::from_secs(5);

/// A stream looks at what is new on a beat of its own: when a message comes tells nothing of what else has moved, and
/// what comes close together is one look.
const BEAT: Duration = Duration::from_millis(50);

/// One stream, and its place among those that this process serves.
pub(super) struct Watch {
    rooms: Rooms,
    heads: Receiver<Heads>,
    progress: Progress,
    began: Instant,
    /// When it has to show that it lives; at the end of the feed for the first time, at once.
    heartbeat: Instant,
    is_silent: bool,
    _place: OwnedSemaphorePermit,
}

impl Watch {
    pub(super) fn new(
        rooms: Rooms,
        heads: Receiver<Heads>,
        progress: Progress,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let began = Instant::now();
        Self {
            heartbeat: began + rooms.follow.heartbeat,
            rooms,
            heads,
            progress,
            began,
            is_silent: true,
            _place: place,
        }
    }

    /// The messages, each made when its reader has room for it. Ends with UNAVAILABLE when the service stops and when
    /// the database does not answer.
    pub(super) fn stream(self) -> impl Stream<Item = Result<pb::WatchTransitionsResponse, Status>> + Send {
        try_unfold(self, async |mut watch| {
            let stop = watch.rooms.stop.clone();
            let message = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(stopping()),
                message = watch.message() => message?,
            };
            Ok(Some((message, watch)))
        })
    }

    async fn message(&mut self) -> Result<pb::WatchTransitionsResponse, Status> {
        loop {
            let known = *self.heads.borrow_and_update();
            let heads = known.ok_or_else(|| unavailable(DOMAIN))?;
            let ranges = self.progress.next(&heads);
            let is_due = self.heartbeat <= Instant::now();
            if ranges.is_empty() {
                self.progress.at_end(self.rooms.clock.now());
                if self.progress.has_found() || self.is_silent || is_due {
                    return Ok(self.shown());
                }
                self.until_there_is_more().await?;
            } else if self.progress.is_full() || is_due {
                return Ok(self.shown());
            } else {
                self.read(ranges).await?;
            }
        }
    }

    async fn until_there_is_more(&mut self) -> Result<(), Status> {
        let Self {
            heads,
            began,
            heartbeat,
            ..
        } = self;
        let moved = async {
            heads.changed().await.map_err(|_| stopping())?;
            sleep_until(next_beat(*began, Instant::now())).await;
            Ok(())
        };
        tokio::select! {
            moved = moved => moved,
            () = sleep_until(*heartbeat) => Ok(()),
        }
    }

    async fn read(&mut self, ranges: Vec<Range>) -> Result<(), Status> {
        let audience = self.progress.audience();
        let wanted = ranges.clone();
        let readers = self.rooms.follow.readers.acquire().await;
        let _reader = readers.expect("never closed");
        let deadline = std::time::Instant::now() + CALL;
        let read = self
            .rooms
            .database
            .run(deadline, move |db| feed::read(db, &wanted, audience));
        let rows = read.await.map_err(|error| lost(&error))?;
        self.progress.take(&ranges, &rows).map_err(|Trimmed| too_old())
    }

    fn shown(&mut self) -> pb::WatchTransitionsResponse {
        self.heartbeat = Instant::now() + self.rooms.follow.heartbeat;
        self.is_silent = false;
        let is_for_services = self.progress.audience() == Audience::Service;
        let (found, cursor) = self.progress.shown();
        let cursor = cursor.seal(&self.rooms.keys);
        pb::WatchTransitionsResponse {
            transitions: found
                .iter()
                .map(|view| transition(view, is_for_services))
                .collect(),
            cursor,
        }
    }
}

/// The next beat after `now` of those that began at `began`.
fn next_beat(began: Instant, now: Instant) -> Instant {
    let beats = now.duration_since(began).as_millis() / BEAT.as_millis() + 1;
    began + BEAT * u32::try_from(beats).unwrap_or(u32::MAX)
}

fn stopping() -> Status {
    let message = "the service stops; go on with the last cursor at another process";
    retry(DOMAIN, "STOPPING", message, Duration::from_secs(1))
}

fn lost(error: &DatabaseError) -> Status {
    match error {
        // The deadline was ours, not the reader's.
        DatabaseError::Deadline | DatabaseError::Unavailable => unavailable(DOMAIN),
        DatabaseError::Statement(_) | DatabaseError::Panicked => from_database(DOMAIN, error),
    }
}

fn transition(view: &Followed, is_for_services: bool) -> pb::Transition {
    pb::Transition {
        kind: kind(view.kind).into(),
        invitation_id: match view.kind {
            EventKind::Disconnected => String::new(),
            EventKind::Sent
            | EventKind::Resent
            | EventKind::Accepted
            | EventKind::Replied
            | EventKind::Ignored
            | EventKind::Restored
            | EventKind::Declined
            | EventKind::Withdrawn
            | EventKind::Expired
            | EventKind::Voided
            | EventKind::Reminded
            | EventKind::RemindersStopped => view.invitation_id.to_string(),
        },
        inviter_id: view.inviter_id.to_string(),
        recipient_id: view.recipient_id.to_string(),
        event_time: Some(to_proto(view.happened_at)),
        // An inviter must not learn of it either.
        reaches_nobody: is_for_services && view.hidden,
    }
}

fn kind(kind: EventKind) -> pb::TransitionKind {
    match kind {
        EventKind::Sent => pb::TransitionKind::Sent,
        EventKind::Resent => pb::TransitionKind::Resent,
        EventKind::Accepted => pb::TransitionKind::Accepted,
        EventKind::Replied => pb::TransitionKind::Replied,
        EventKind::Ignored => pb::TransitionKind::Ignored,
        EventKind::Restored => pb::TransitionKind::Restored,
        EventKind::Declined => pb::TransitionKind::Declined,
        EventKind::Withdrawn => pb::TransitionKind::Withdrawn,
        EventKind::Expired => pb::TransitionKind::Expired,
        EventKind::Voided => pb::TransitionKind::Voided,
        EventKind::Disconnected => pb::TransitionKind::Disconnected,
        // Nobody follows these.
        EventKind::Reminded | EventKind::RemindersStopped => pb::TransitionKind::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_come_at_fixed_times_after_the_beginning() {
        let began = Instant::now();
        for (millis, beat) in [(0, 50), (1, 50), (49, 50), (50, 100), (1_234, 1_250)] {
            let now = began + Duration::from_millis(millis);
            assert_eq!(next_beat(began, now), began + Duration::from_millis(beat));
        }
    }
}
