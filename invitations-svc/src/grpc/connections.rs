//! ConnectionService.

use proto::invitations::v1 as pb;
use shell::{errors::from_database, fields::Violations, gate, paging::cut, signing::Purpose};
use tonic::{Request, Response, Status};

use super::{
    DOMAIN, Rooms, errors,
    paging::{before_side, pages, side_bytes},
    repeat::request_key,
    views,
};
use crate::{
    domain::{
        command::{Act, Command, Disconnect, Ending},
        refusal::Refusal,
        transition::Answer,
    },
    store::connections::{self, SummaryKey},
};

pub(super) struct Service(pub(super) Rooms);

#[tonic::async_trait]
impl pb::connection_service_server::ConnectionService for Service {
    async fn list_connections(
        &self,
        request: Request<pb::ListConnectionsRequest>,
    ) -> Result<Response<pb::ListConnectionsResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let owner = violations.uuid("member_id", &request.member_id);
        let size = violations.page_size("page_size", request.page_size);
        let pages = pages(&self.0.keys, Purpose("page of ListConnections"), owner, 0);
        let before = before_side(&pages, &mut violations, &request.page_token);
        violations.into_result(DOMAIN, ())?;
        let rows = self
            .0
            .database
            .run(deadline, move |db| {
                connections::page(db, owner, before, size as i64 + 1)
            })
            .await;
        let (rows, more) = cut(rows.map_err(|error| from_database(DOMAIN, &error))?, size);
        let last = rows.last().filter(|_| more);
        Ok(Response::new(pb::ListConnectionsResponse {
            next_page_token: last
                .map(|side| pages.token(&side_bytes(*side)))
                .unwrap_or_default(),
            connections: rows
                .iter()
                .map(|(other_id, at)| views::connection(owner, *other_id, *at))
                .collect(),
        }))
    }

    async fn get_connection_summary(
        &self,
        request: Request<pb::GetConnectionSummaryRequest>,
    ) -> Result<Response<pb::GetConnectionSummaryResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let viewer_id = violations.uuid("viewer_id", &request.viewer_id);
        let member_id = violations.uuid("member_id", &request.member_id);
        violations.into_result(DOMAIN, ())?;
        let found = self.0.database.run(deadline, move |db| {
            let summary = connections::summaries(db, &[SummaryKey { viewer_id, member_id }])?.pop();
            Ok(summary.flatten())
        });
        let summary = found.await.map_err(|error| from_database(DOMAIN, &error))?;
        let summary = summary.ok_or_else(|| errors::refused(Refusal::ConnectionNotFound))?;
        Ok(Response::new(pb::GetConnectionSummaryResponse {
            summary: Some(views::summary(summary)),
        }))
    }

    async fn remove_connection(
        &self,
        request: Request<pb::RemoveConnectionRequest>,
    ) -> Result<Response<pb::RemoveConnectionResponse>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let member_id = violations.uuid("member_id", &request.member_id);
        let other_id = violations.uuid("other_id", &request.other_id);
        if member_id == other_id && !member_id.is_nil() {
            violations.add("other_id", "must be another member than member_id");
        }
        let key = request_key(
            &mut violations,
            &caller,
            "RemoveConnection",
            &request.request_id,
            &request,
        );
        violations.into_result(DOMAIN, ())?;
        let act = Act::Disconnect(Disconnect {
            member_id,
            other_id,
            because: Ending::Removed,
            entropy: rand::random(),
        });
        let command = Command { request: key, act };
        match errors::answer(self.0.ledger.submit(command, deadline).await)? {
            Answer::Done => Ok(Response::new(pb::RemoveConnectionResponse {})),
            _ => Err(errors::wrong_answer()),
        }
    }
}
