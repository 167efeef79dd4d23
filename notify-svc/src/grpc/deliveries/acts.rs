//! What operators do to emails.

use std::time::Instant;

use proto::notify::v1 as wire;
use shell::{
    errors,
    fields::Violations,
    gate::{self, Caller},
    repeat::fingerprint,
};
use tonic::{Request, Status};

use super::{
    super::{DOMAIN, print, refusals},
    Deliveries,
};
use crate::{
    domain::{email::State, operate::Operation},
    measure,
    store::{self, Act},
};

/// Longest note of an operator, in characters.
const NOTE_CHARS: usize = 500;

/// What every mutation of an operator says.
pub(super) struct Said<'a> {
    pub(super) rpc: &'static str,
    pub(super) note: &'a str,
    pub(super) request_id: &'a str,
}

/// Reads it. `request` is the whole request.
pub(super) fn read_act(
    violations: &mut Violations,
    caller: &Caller,
    request: &impl prost::Message,
    said: &Said<'_>,
) -> Act {
    let note = violations.text("note", said.note, NOTE_CHARS);
    if note.trim().is_empty() {
        violations.add("note", format!("must say why, in 1 to {NOTE_CHARS} characters"));
    }
    Act {
        client: caller.name.clone(),
        request_id: violations.uuid("request_id", said.request_id),
        fingerprint: fingerprint(said.rpc, request),
        rpc: said.rpc,
        note,
    }
}

pub(super) async fn retry(
    deliveries: &Deliveries,
    request: Request<wire::RetryEmailRequest>,
) -> Result<wire::Email, Status> {
    let (caller, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let said = Said {
        rpc: "RetryEmail",
        note: &request.note,
        request_id: &request.request_id,
    };
    let mut violations = Violations::default();
    let act = read_act(&mut violations, &caller, &request, &said);
    act_on(
        deliveries,
        violations,
        act,
        &request.email_id,
        Operation::Retry,
        deadline,
    )
    .await
}

pub(super) async fn drop(
    deliveries: &Deliveries,
    request: Request<wire::DropEmailRequest>,
) -> Result<wire::Email, Status> {
    let (caller, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let said = Said {
        rpc: "DropEmail",
        note: &request.note,
        request_id: &request.request_id,
    };
    let mut violations = Violations::default();
    let act = read_act(&mut violations, &caller, &request, &said);
    act_on(
        deliveries,
        violations,
        act,
        &request.email_id,
        Operation::Drop,
        deadline,
    )
    .await
}

pub(super) async fn resolve(
    deliveries: &Deliveries,
    request: Request<wire::ResolveUncertainRequest>,
) -> Result<wire::Email, Status> {
    let (caller, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let said = Said {
        rpc: "ResolveUncertain",
        note: &request.note,
        request_id: &request.request_id,
    };
    let mut violations = Violations::default();
    let operation = resolution(&mut violations, request.resolution);
    let act = read_act(&mut violations, &caller, &request, &said);
    act_on(
        deliveries,
        violations,
        act,
        &request.email_id,
        operation,
        deadline,
    )
    .await
}

fn resolution(violations: &mut Violations, number: i32) -> Operation {
    use wire::UncertainResolution as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Sent) => Operation::ResolveSent,
        Ok(Wire::Resend) => Operation::ResolveResend,
        Ok(Wire::GiveUp) => Operation::ResolveGiveUp,
        Ok(Wire::Unspecified) | Err(_) => {
            violations.add(
                "resolution",
                "must be UNCERTAIN_RESOLUTION_SENT, UNCERTAIN_RESOLUTION_RESEND or UNCERTAIN_RESOLUTION_GIVE_UP",
            );
            Operation::ResolveSent
        }
    }
}

/// The email afterwards.
async fn act_on(
    deliveries: &Deliveries,
    mut violations: Violations,
    act: Act,
    email_id: &str,
    operation: Operation,
    deadline: Instant,
) -> Result<wire::Email, Status> {
    let email_id = violations.uuid("email_id", email_id);
    violations.into_result(DOMAIN, ())?;
    let now = deliveries.clock.now();
    let work = move |connection: &mut _| {
        let done = store::act(connection, &act, email_id, operation, now)?;
        // Here, not where the answer arrives: nobody may wait for it any more.
        if let Ok(done) = &done {
            done.taken_back.into_iter().for_each(measure::reopened);
            done.outcome.into_iter().for_each(measure::outcome);
        }
        Ok(done)
    };
    let done = deliveries.database.run(deadline, work).await;
    let done = done.map_err(|error| errors::from_database(DOMAIN, &error))?;
    let email = done.map_err(refusals::not_done)?.email;
    if email.state == State::Open {
        deliveries.wake.notify_one();
    }
    Ok(print::email(&email))
}
