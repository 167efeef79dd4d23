//! PreferenceService.

use std::time::Instant;

use jiff::Timestamp;
use proto::notify::v1::{
    EraseMemberRequest, EraseMemberResponse, GetPreferencesRequest, GetPreferencesResponse,
    UpdatePreferencesRequest, UpdatePreferencesResponse, preference_service_server::PreferenceService,
};
use shell::{clock::Clock, errors, fields::Violations, gate, postgres::Database};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{DOMAIN, parse, print};
use crate::{
    domain::{email::State, kind::Kind, preferences::Changes},
    measure,
    store::{self, Erasure},
};

/// Emails of a member that are erased at once.
const SET: i64 = 500;

/// notify.v1.PreferenceService.
pub(crate) struct Preferences {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
}

#[tonic::async_trait]
impl PreferenceService for Preferences {
    async fn get_preferences(
        &self,
        request: Request<GetPreferencesRequest>,
    ) -> Result<Response<GetPreferencesResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let mut violations = Violations::default();
        let member_id = violations.uuid("member_id", &request.get_ref().member_id);
        let member_id = violations.into_result(DOMAIN, member_id)?;
        let read = move |connection: &mut _| store::preferences(connection, member_id);
        let preferences = self.database.run(deadline, read).await;
        let preferences = preferences.map_err(|error| errors::from_database(DOMAIN, &error))?;
        Ok(Response::new(GetPreferencesResponse {
            preferences: Some(print::preferences(&preferences)),
        }))
    }

    async fn update_preferences(
        &self,
        request: Request<UpdatePreferencesRequest>,
    ) -> Result<Response<UpdatePreferencesResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let (member_id, changes) = update(request.get_ref())?;
        let now = self.clock.now();
        let choose = move |connection: &mut _| store::choose(connection, member_id, &changes, now);
        let preferences = self.database.run(deadline, choose).await;
        let preferences = preferences.map_err(|error| errors::from_database(DOMAIN, &error))?;
        Ok(Response::new(UpdatePreferencesResponse {
            preferences: Some(print::preferences(&preferences)),
        }))
    }

    async fn erase_member(
        &self,
        request: Request<EraseMemberRequest>,
    ) -> Result<Response<EraseMemberResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let erasure = erasure(request.get_ref())?;
        let response = self.erase(erasure, deadline).await;
        response
            .map(Response::new)
            .map_err(|error| errors::from_database(DOMAIN, &error))
    }
}

impl Preferences {
    /// In sets, each committed by itself: a call that breaks off has done a part, and the next one does the rest.
    async fn erase(
        &self,
        erasure: Erasure,
        deadline: Instant,
    ) -> Result<EraseMemberResponse, shell::postgres::DatabaseError> {
        let now = self.clock.now();
        let mut cancelled = 0;
        let (mut stopped, mut blanked, mut unnamed) = (SET, SET, SET);
        while stopped == SET {
            let stop = move |connection: &mut _| {
                let outcomes = store::stop_about(connection, erasure, SET, now)?;
                outcomes.iter().copied().for_each(measure::outcome);
                Ok(outcomes)
            };
            let outcomes = self.database.run(deadline, stop).await?;
            cancelled += outcomes
                .iter()
                .filter(|outcome| outcome.state == State::Cancelled)
                .count();
            stopped = i64::try_from(outcomes.len()).unwrap_or(SET);
        }
        while blanked == SET {
            let blank = move |connection: &mut _| store::blank_about(connection, erasure, SET);
            blanked = self.database.run(deadline, blank).await?;
        }
        while unnamed == SET {
            let unname = move |connection: &mut _| store::unname(connection, erasure, SET);
            unnamed = self.database.run(deadline, unname).await?;
        }
        let rest = move |connection: &mut _| {
            store::forget_reader(connection, erasure, now)?;
            store::left_about(connection, erasure)
        };
        let left = self.database.run(deadline, rest).await?;
        tracing::info!(member_id = %erasure.member_id, cancelled, left, "forgot a member");
        Ok(EraseMemberResponse {
            cancelled_count: i32::try_from(cancelled).unwrap_or(i32::MAX),
            in_flight_count: print::count(left),
        })
    }
}

fn update(request: &UpdatePreferencesRequest) -> Result<(Uuid, Changes), Status> {
    let mut violations = Violations::default();
    let member_id = violations.uuid("member_id", &request.member_id);
    let changes = Changes {
        restrict_contact: request.restrict_email_contact,
        ..Changes::default()
    }
    .switch(Kind::Initial, request.invitations)
    .switch(Kind::Reminder, request.reminders)
    .switch(Kind::Acceptance, request.acceptances)
    .switch(Kind::Reply, request.replies);
    if changes.is_empty() {
        for field in [
            "invitations",
            "reminders",
            "acceptances",
            "replies",
            "restrict_email_contact",
        ] {
            violations.add(field, "must be set where no other choice is");
        }
    }
    violations.into_result(DOMAIN, (member_id, changes))
}

fn erasure(request: &EraseMemberRequest) -> Result<Erasure, Status> {
    let mut violations = Violations::default();
    let erasure = Erasure {
        member_id: violations.uuid("member_id", &request.member_id),
        until: match &request.until {
            Some(until) => parse::event_time(&mut violations, "until", Some(until)),
            None => Timestamp::MAX,
        },
    };
    violations.into_result(DOMAIN, erasure)
}
