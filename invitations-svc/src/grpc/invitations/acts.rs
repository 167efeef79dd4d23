//! What recipients do with an invitation, and what inviters take back.

use std::time::Instant;

use prost::Message;
use proto::invitations::v1 as pb;
use shell::{
    fields::Violations,
    gate::{self, Caller},
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::super::{DOMAIN, Rooms, errors, repeat::request_key, views};
use crate::{
    domain::{
        command::{Act, Answer as How, Answering, Command, Recall, Recalled, Received, RequestKey},
        refusal::Refusal,
        transition::Answer,
    },
    links,
};

/// Who asks, by which rpc, until when.
pub(super) struct Asked {
    rpc: &'static str,
    caller: Caller,
    deadline: Instant,
}

impl Asked {
    /// What the gate noted on a request, and the request.
    pub(super) fn of<T>(rpc: &'static str, request: Request<T>) -> (Self, T) {
        let (caller, deadline) = gate::noted(&request);
        let asked = Self {
            rpc,
            caller,
            deadline,
        };
        (asked, request.into_inner())
    }

    fn key(
        &self,
        violations: &mut Violations,
        request_id: &str,
        request: &impl Message,
    ) -> Option<RequestKey> {
        request_key(violations, &self.caller, self.rpc, request_id, request)
    }

    async fn decide(&self, rooms: &Rooms, request: Option<RequestKey>, act: Act) -> Result<Answer, Status> {
        let command = Command { request, act };
        errors::answer(rooms.ledger.submit(command, self.deadline).await)
    }

    /// Answers an invitation in a way that changes nothing but where it lies.
    #[expect(clippy::too_many_arguments, reason = "the fields that three requests share")]
    pub(super) async fn answer(
        &self,
        rooms: &Rooms,
        request_id: &str,
        request: &impl Message,
        recipient_id: &str,
        invitation_id: &str,
        etag: &str,
        answer: How,
    ) -> Result<pb::ReceivedInvitation, Status> {
        let mut violations = Violations::default();
        let target = Received {
            recipient_id: violations.uuid("recipient_id", recipient_id),
            invitation_id: violations.uuid("invitation_id", invitation_id),
        };
        let seen = seen(&mut violations, etag);
        let key = self.key(&mut violations, request_id, request);
        violations.into_result(DOMAIN, ())?;
        let act = Act::Answer(Answering { target, seen, answer });
        match self.decide(rooms, key, act).await? {
            Answer::Received(row) => shown(views::received(&row, views::AS_DECIDED)),
            _ => Err(errors::wrong_answer()),
        }
    }

    /// Takes back what an inviter sent, or its reminders.
    pub(super) async fn recall(
        &self,
        rooms: &Rooms,
        request_id: &str,
        request: &impl Message,
        inviter_id: &str,
        invitation_id: &str,
        what: Recalled,
    ) -> Result<pb::SentInvitation, Status> {
        let mut violations = Violations::default();
        let recall = Recall {
            inviter_id: violations.uuid("inviter_id", inviter_id),
            invitation_id: violations.uuid("invitation_id", invitation_id),
            what,
        };
        let key = self.key(&mut violations, request_id, request);
        violations.into_result(DOMAIN, ())?;
        match self.decide(rooms, key, Act::Recall(recall)).await? {
            Answer::Sent(row) => shown(views::sent(&row, views::AS_DECIDED)),
            _ => Err(errors::wrong_answer()),
        }
    }
}

pub(super) async fn accept(
    rooms: &Rooms,
    request: Request<pb::AcceptInvitationRequest>,
) -> Result<Response<pb::AcceptInvitationResponse>, Status> {
    use pb::accept_invitation_request::Target;
    let (asked, request) = Asked::of("AcceptInvitation", request);
    let mut violations = Violations::default();
    let recipient_id = violations.uuid("recipient_id", &request.recipient_id);
    let seen = seen(&mut violations, &request.etag);
    let key = asked.key(&mut violations, &request.request_id, &request);
    let invitation_id = match &request.target {
        Some(Target::InvitationId(id)) => Some(violations.uuid("invitation_id", id)),
        // A forged, a foreign and a withdrawn link are all the same to its reader.
        Some(Target::LinkToken(token)) => of_link(rooms, recipient_id, token),
        None => {
            violations.add("target", "must be invitation_id or link_token");
            None
        }
    };
    violations.into_result(DOMAIN, ())?;
    let invitation_id = invitation_id.ok_or_else(|| errors::refused(Refusal::InvitationNotFound))?;
    let act = Act::Answer(Answering {
        target: Received {
            recipient_id,
            invitation_id,
        },
        seen,
        answer: How::Accept,
    });
    let Answer::Received(row) = asked.decide(rooms, key, act).await? else {
        return Err(errors::wrong_answer());
    };
    let at = row.closed_at.ok_or_else(errors::wrong_answer)?;
    Ok(Response::new(pb::AcceptInvitationResponse {
        invitation: Some(shown(views::received(&row, views::AS_DECIDED))?),
        connection: Some(views::connection(row.recipient_id, row.inviter_id, at)),
    }))
}

pub(super) async fn reply(
    rooms: &Rooms,
    request: Request<pb::ReplyToInvitationRequest>,
) -> Result<Response<pb::ReplyToInvitationResponse>, Status> {
    let (asked, request) = Asked::of("ReplyToInvitation", request);
    let mut violations = Violations::default();
    let target = Received {
        recipient_id: violations.uuid("recipient_id", &request.recipient_id),
        invitation_id: violations.uuid("invitation_id", &request.invitation_id),
    };
    let text = violations.text("text", &request.text, rooms.limits.reply_chars);
    if request.text.trim().is_empty() {
        violations.add("text", "must not be empty");
    }
    let seen = seen(&mut violations, &request.etag);
    let key = asked.key(&mut violations, &request.request_id, &request);
    violations.into_result(DOMAIN, ())?;
    let act = Act::Answer(Answering {
        target,
        seen,
        answer: How::Reply(text),
    });
    let Answer::Replied(row, reply) = asked.decide(rooms, key, act).await? else {
        return Err(errors::wrong_answer());
    };
    Ok(Response::new(pb::ReplyToInvitationResponse {
        invitation: Some(shown(views::received(&row, views::AS_DECIDED))?),
        reply: Some(views::reply(&reply)),
    }))
}

fn of_link(rooms: &Rooms, recipient_id: Uuid, token: &str) -> Option<Uuid> {
    let link = links::open(&rooms.keys, token)?;
    (link.recipient_id == recipient_id).then_some(link.invitation_id)
}

/// The state that an etag stands for; none where it is empty.
fn seen(violations: &mut Violations, etag: &str) -> Option<i64> {
    if etag.is_empty() {
        return None;
    }
    let seen = views::read_etag(etag);
    if seen.is_none() {
        violations.add("etag", "must be the etag of a ReceivedInvitation, or empty");
    }
    seen
}

/// What the rules answered with is something that the actor sees.
fn shown<T>(view: Option<T>) -> Result<T, Status> {
    view.ok_or_else(errors::wrong_answer)
}
