//! Notifications of emails that came back.

use proto::notify::v1 as wire;
use shell::{errors, fields::Violations, gate};
use tonic::{Request, Response, Status};

use super::{super::DOMAIN, Deliveries};
use crate::{
    domain::bounce,
    store::{self, Noted},
};

pub(super) async fn report(
    deliveries: &Deliveries,
    request: Request<wire::ReportBounceRequest>,
) -> Result<Response<wire::ReportBounceResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let notification = bounce::read(&request.get_ref().message).map_err(|unreadable| {
        let mut violations = Violations::default();
        violations.add("message", unreadable.to_string());
        violations
            .into_result(DOMAIN, ())
            .expect_err("there is a violation")
    })?;
    let now = deliveries.clock.now();
    let noted = deliveries
        .database
        .run(deadline, move |connection| {
            store::note_bounce(connection, &notification, now)
        })
        .await;
    let noted = noted.map_err(|error| errors::from_database(DOMAIN, &error))?;
    let response = match noted {
        Noted::Foreign => wire::ReportBounceResponse::default(),
        Noted::Recorded { email_id, suppressed } => wire::ReportBounceResponse {
            email_id: email_id.to_string(),
            suppressed,
        },
    };
    Ok(Response::new(response))
}
