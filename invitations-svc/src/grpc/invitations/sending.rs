//! Sending: one, a batch, a stream. Many are so many single ones; each is answered for itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::{
    Stream, StreamExt,
    future::{self, join_all},
    stream,
};
use proto::invitations::v1 as pb;
use shell::{
    errors::{field_refusal, retry},
    fields::Violations,
    gate::{self, Caller, Place},
};
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt;

use super::super::{DOMAIN, Rooms, errors, repeat::request_key, views};
use crate::domain::{
    command::{Act, Command, Send},
    transition::Answer,
};

/// Longest name of a stream's item.
const ITEM_ID_CHARS: usize = 64;

/// What sending works with, for one caller.
#[derive(Clone)]
pub(super) struct Sending {
    rooms: Rooms,
    caller: Caller,
}

impl Sending {
    /// For the caller that the gate noted on a request, and the request's deadline.
    pub(super) fn of<T>(rooms: &Rooms, request: &Request<T>) -> (Self, Instant) {
        let (caller, deadline) = gate::noted(request);
        let sending = Self {
            rooms: rooms.clone(),
            caller,
        };
        (sending, deadline)
    }

    pub(super) async fn one(
        &self,
        request: &pb::SendInvitationRequest,
        deadline: Instant,
    ) -> Result<pb::SendInvitationResponse, Status> {
        let command = self.read(request)?;
        let answer = errors::answer(self.rooms.ledger.submit(command, deadline).await)?;
        use pb::send_invitation_response::Outcome;
        let outcome = match answer {
            Answer::Sent(sent) => {
                let sent = views::sent(&sent, views::AS_DECIDED);
                Outcome::Invitation(sent.ok_or_else(errors::wrong_answer)?)
            }
            Answer::Connected(connected) => Outcome::Connection(views::connection(
                connected.recipient_id,
                connected.inviter_id,
                connected.at,
            )),
            Answer::Received(_)
            | Answer::Replied(..)
            | Answer::Upserted(_)
            | Answer::Account(_)
            | Answer::Done => return Err(errors::wrong_answer()),
        };
        Ok(pb::SendInvitationResponse {
            outcome: Some(outcome),
        })
    }

    pub(super) async fn batch(
        &self,
        request: &pb::BatchSendInvitationsRequest,
        deadline: Instant,
    ) -> Result<pb::BatchSendInvitationsResponse, Status> {
        let most = self.rooms.limits.batch_items;
        if request.requests.is_empty() || request.requests.len() > most {
            let mut violations = Violations::default();
            violations.add("requests", format!("must be 1 to {most} invitations"));
            violations.into_result(DOMAIN, ())?;
        }
        // They enter the ledger's queues in their order, before any of them is waited for.
        let results = request.requests.iter().map(|item| self.result(item, deadline));
        Ok(pb::BatchSendInvitationsResponse {
            results: join_all(results).await,
        })
    }

    /// Answers items as they are decided. At most `in_flight` are under way, their answers included: where nobody reads
    /// answers, no further item is read. The stream keeps `place` until it ends.
    pub(super) fn stream(
        self,
        items: Streaming<pb::SendInvitationStreamRequest>,
        in_flight: usize,
        place: Place,
    ) -> impl Stream<Item = Result<pb::SendInvitationStreamResponse, Status>> + std::marker::Send {
        let stop = self.rooms.stop.clone();
        let patience = self.rooms.limits.patience;
        let all_read = Arc::new(AtomicBool::new(false));
        let note = all_read.clone();
        let end = stream::poll_fn(move |_| {
            note.store(true, Ordering::Relaxed);
            Poll::Ready(None)
        });
        // An OK would say that nothing was left unread.
        let stopped = async move { (!all_read.load(Ordering::Relaxed)).then(|| Err(stopping())) };
        items
            .chain(end)
            .take_until(stop.cancelled_owned())
            .map(move |item| self.clone().item(item, patience))
            .buffer_unordered(in_flight)
            .chain(stream::once(stopped).filter_map(future::ready))
            .inspect(move |_answered| {
                let _held = &place;
            })
    }

    async fn item(
        self,
        item: Result<pb::SendInvitationStreamRequest, Status>,
        patience: Duration,
    ) -> Result<pb::SendInvitationStreamResponse, Status> {
        let item = item.map_err(|status| gate::explained_message(DOMAIN, status))?;
        let pb::SendInvitationStreamRequest { item_id, request } = item;
        let visible = item_id.bytes().all(|byte| byte.is_ascii_graphic());
        let result = if !visible || !(1..=ITEM_ID_CHARS).contains(&item_id.len()) {
            let wrong = "must be 1 to 64 visible ASCII characters";
            Err(field_refusal(DOMAIN, "INVALID_ARGUMENT", "item_id", wrong))
        } else {
            self.one(&request.unwrap_or_default(), Instant::now() + patience)
                .await
        };
        Ok(pb::SendInvitationStreamResponse {
            item_id,
            result: Some(result_of(result)),
        })
    }

    async fn result(
        &self,
        request: &pb::SendInvitationRequest,
        deadline: Instant,
    ) -> pb::SendInvitationResult {
        result_of(self.one(request, deadline).await)
    }

    fn read(&self, request: &pb::SendInvitationRequest) -> Result<Command, Status> {
        let mut violations = Violations::default();
        let inviter_id = violations.uuid("inviter_id", &request.inviter_id);
        let recipient_id = violations.uuid("recipient_id", &request.recipient_id);
        let note = violations.text("note", &request.note, self.rooms.limits.note_chars);
        let recipient_email = match request.recipient_email.as_str() {
            "" => None,
            given => Some(violations.email("recipient_email", given)),
        };
        let key = request_key(
            &mut violations,
            &self.caller,
            "SendInvitation",
            &request.request_id,
            request,
        );
        violations.into_result(DOMAIN, ())?;
        if inviter_id == recipient_id {
            let description = "must be another member than inviter_id";
            return Err(field_refusal(
                DOMAIN,
                "SELF_INVITATION",
                "recipient_id",
                description,
            ));
        }
        let act = Act::Send(Send {
            inviter_id,
            recipient_id,
            note,
            recipient_email,
            reminders: request.reminders.unwrap_or(true),
            entropy: rand::random(),
        });
        Ok(Command { request: key, act })
    }
}

fn stopping() -> Status {
    let message = "the service stops; send what has no answer again, with the same request_ids";
    retry(DOMAIN, "STOPPING", message, Duration::from_secs(1))
}

fn result_of(result: Result<pb::SendInvitationResponse, Status>) -> pb::SendInvitationResult {
    use pb::send_invitation_result::Result as Told;
    let result = match result {
        Ok(response) => Told::Response(response),
        Err(status) => Told::Error(error_of(&status)),
    };
    pb::SendInvitationResult { result: Some(result) }
}

/// What a call for itself would have failed with.
fn error_of(status: &Status) -> pb::ItemError {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|wrong| &wrong.field_violations[..]);
    let field_errors = violations
        .unwrap_or_default()
        .iter()
        .map(|violation| pb::FieldError {
            field: violation.field.clone(),
            description: violation.description.clone(),
        });
    let delay = details.retry_info().and_then(|retry| retry.retry_delay);
    pb::ItemError {
        code: status.code().into(),
        reason: details
            .error_info()
            .map(|info| info.reason.clone())
            .unwrap_or_default(),
        message: status.message().to_owned(),
        field_errors: field_errors.collect(),
        retry_delay: delay.map(|delay| prost_types::Duration {
            seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(delay.subsec_nanos()).unwrap_or_default(),
        }),
    }
}
