//! The wire: a handler parses, submits and prints.

mod deliveries;
mod parse;
pub(crate) mod permissions;
mod preferences;
mod print;
mod refusals;

use std::sync::Arc;

use jiff::Timestamp;
use proto::notify::v1::{
    ApplyEmailCommandsRequest, ApplyEmailCommandsResponse, email_service_server::EmailService,
};
use shell::{clock::Clock, errors, gate, postgres::Database};
use tokio::sync::Notify;
use tonic::{Request, Response, Status};
use uuid::{NoContext, Uuid};

pub(crate) use self::{
    deliveries::{Deliveries, MAX_REQUEST_BYTES as MAX_OPERATOR_REQUEST_BYTES},
    preferences::Preferences,
};
use crate::{
    domain::{command::Answer, email::State},
    measure, store,
};

/// Domain of the errors.
pub(crate) const DOMAIN: &str = "notify.v1";

/// Longest request, in bytes: 500 commands with everything in them as long as it may be.
pub(crate) const MAX_REQUEST_BYTES: usize = 20 * 1_024 * 1_024;

/// Longest request of rpcs about one member, in bytes.
pub(crate) const SMALL_REQUEST_BYTES: usize = 64 * 1_024;

/// notify.v1.EmailService.
pub(crate) struct Emails {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    /// Domain that Message-IDs end in.
    pub(crate) mail_domain: Arc<str>,
    /// Wakes the workers.
    pub(crate) wake: Arc<Notify>,
}

#[tonic::async_trait]
impl EmailService for Emails {
    async fn apply_email_commands(
        &self,
        request: Request<ApplyEmailCommandsRequest>,
    ) -> Result<Response<ApplyEmailCommandsResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let commands = parse::commands(request.into_inner())?;
        let (now, mail_domain) = (self.clock.now(), self.mail_domain.clone());
        let work = move |connection: &mut _| {
            let applied = store::apply(connection, &commands, || new_id(now), &mail_domain, now)?;
            // Here, not where the answer arrives: nobody may wait for it any more.
            if let Ok(applied) = &applied {
                applied.accepted.iter().copied().for_each(measure::accepted);
                applied.outcomes.iter().copied().for_each(measure::outcome);
            }
            Ok(applied)
        };
        let applied = self.database.run(deadline, work).await;
        let applied = applied.map_err(|error| errors::from_database(DOMAIN, &error))?;
        let applied = applied.map_err(refusals::refused)?;
        let is_open = |answer: &Answer| {
            matches!(
                answer,
                Answer::Queued {
                    state: State::Open,
                    ..
                }
            )
        };
        if applied.answers.iter().any(is_open) {
            self.wake.notify_one();
        }
        Ok(Response::new(print::answers(&applied.answers)))
    }
}

/// A UUIDv7 of `now`.
fn new_id(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanoseconds = now.subsec_nanosecond().unsigned_abs();
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds))
}
