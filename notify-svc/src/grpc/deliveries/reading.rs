//! Emails one by one and in lists.

use proto::notify::v1 as wire;
use shell::{
    errors,
    fields::Violations,
    gate,
    paging::{Pages, cut},
    signing::Purpose,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    super::{DOMAIN, parse, print, refusals},
    Deliveries,
};
use crate::{
    domain::operate::Refusal,
    store::{self, Filter},
};

pub(super) async fn get(
    deliveries: &Deliveries,
    request: Request<wire::GetEmailRequest>,
) -> Result<Response<wire::GetEmailResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let mut violations = Violations::default();
    let id = violations.uuid("email_id", &request.get_ref().email_id);
    violations.into_result(DOMAIN, ())?;
    let found = deliveries
        .database
        .run(deadline, move |connection| store::history(connection, id))
        .await;
    let found = found.map_err(|error| errors::from_database(DOMAIN, &error))?;
    let (email, events) = found.ok_or_else(|| refusals::not_done(Refusal::NotFound))?;
    Ok(Response::new(wire::GetEmailResponse {
        email: Some(print::email(&email)),
        events: events.into_iter().map(print::event).collect(),
    }))
}

pub(super) async fn list(
    deliveries: &Deliveries,
    request: Request<wire::ListEmailsRequest>,
) -> Result<Response<wire::ListEmailsResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let mut violations = Violations::default();
    let filter = Filter {
        state: parse::any_state(&mut violations, "state", request.state),
        kind: parse::any_kind(&mut violations, "kind", request.kind),
        member_id: violations.optional_uuid("member_id", &request.member_id),
        invitation_id: violations.optional_uuid("invitation_id", &request.invitation_id),
    };
    let size = violations.page_size("page_size", request.page_size);
    let pages = Pages {
        keys: &deliveries.head.links.keys,
        list: Purpose("page of ListEmails"),
        asked: asked(filter),
    };
    let before = pages.before_id(&mut violations, &request.page_token);
    violations.into_result(DOMAIN, ())?;
    let limit = size as i64 + 1;
    let rows = deliveries
        .database
        .run(deadline, move |connection| {
            store::page(connection, filter, before, limit)
        })
        .await;
    let (rows, more) = cut(rows.map_err(|error| errors::from_database(DOMAIN, &error))?, size);
    let last = rows.last().filter(|_| more);
    Ok(Response::new(wire::ListEmailsResponse {
        next_page_token: last.map(|row| pages.token(row.id.as_bytes())).unwrap_or_default(),
        emails: rows.iter().map(print::email).collect(),
    }))
}

/// The filter as bytes of a token; no id is nil.
fn asked(filter: Filter) -> Vec<u8> {
    let state = filter.state.map_or(0, |state| state as u8);
    let kind = filter.kind.map_or(0, |kind| kind as u8);
    let ids = [filter.member_id, filter.invitation_id].map(|id| id.unwrap_or(Uuid::nil()).into_bytes());
    [&[state, kind][..], &ids.concat()].concat()
}
