//! InvitationService.

use proto::invitations::v1 as pb;
use shell::{
    errors::{field_refusal, from_database},
    fields::Violations,
    gate::{self, Caller},
    signing::Purpose,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    DOMAIN, Rooms, errors,
    paging::{Pages, cut},
    repeat::request_key,
    views,
};
use crate::{
    domain::{
        command::{Accept, Act, Command, Send},
        invitation::Folder,
        refusal::Refusal,
        transition::Answer,
    },
    links,
    store::books,
};

/// Longest note, in characters.
const NOTE_CHARS: usize = 300;

pub(super) struct Service(pub(super) Rooms);

#[tonic::async_trait]
impl pb::invitation_service_server::InvitationService for Service {
    async fn send_invitation(
        &self,
        request: Request<pb::SendInvitationRequest>,
    ) -> Result<Response<pb::SendInvitationResponse>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let command = self.read_send(&caller, &request.into_inner())?;
        let answer = errors::answer(self.0.ledger.submit(command, deadline).await)?;
        use pb::send_invitation_response::Outcome;
        let outcome = match answer {
            Answer::Sent(sent) => Outcome::Invitation(views::sent(&sent, self.0.clock.now())),
            Answer::Connected(connected) => Outcome::Connection(views::connection(
                connected.recipient_id,
                connected.inviter_id,
                connected.at,
            )),
            Answer::Accepted(_) | Answer::Upserted(_) => return Err(errors::wrong_answer()),
        };
        Ok(Response::new(pb::SendInvitationResponse {
            outcome: Some(outcome),
        }))
    }

    async fn get_sent_invitation(
        &self,
        request: Request<pb::GetSentInvitationRequest>,
    ) -> Result<Response<pb::GetSentInvitationResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let inviter_id = violations.uuid("inviter_id", &request.inviter_id);
        let id = violations.uuid("invitation_id", &request.invitation_id);
        violations.into_result(DOMAIN, ())?;
        let found = self
            .0
            .database
            .run(deadline, move |db| books::sent(db, inviter_id, id))
            .await;
        let row = found.map_err(|error| from_database(DOMAIN, &error))?;
        let row = row.ok_or_else(|| errors::refused(Refusal::InvitationNotFound))?;
        Ok(Response::new(pb::GetSentInvitationResponse {
            invitation: Some(views::sent(&row, self.0.clock.now())),
        }))
    }

    async fn list_sent_invitations(
        &self,
        request: Request<pb::ListSentInvitationsRequest>,
    ) -> Result<Response<pb::ListSentInvitationsResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let owner = violations.uuid("inviter_id", &request.inviter_id);
        let size = violations.page_size("page_size", request.page_size);
        let pages = Pages {
            keys: &self.0.keys,
            list: Purpose("page of ListSentInvitations"),
            owner,
            filter: 0,
        };
        let before = pages.before_id(&mut violations, &request.page_token);
        violations.into_result(DOMAIN, ())?;
        let rows = self
            .0
            .database
            .run(deadline, move |db| {
                books::sent_page(db, owner, before, size as i64 + 1)
            })
            .await;
        let (rows, more) = cut(rows.map_err(|error| from_database(DOMAIN, &error))?, size);
        let last = rows.last().filter(|_| more);
        let now = self.0.clock.now();
        Ok(Response::new(pb::ListSentInvitationsResponse {
            next_page_token: last.map(|row| pages.token(row.id.as_bytes())).unwrap_or_default(),
            invitations: rows.iter().map(|row| views::sent(row, now)).collect(),
        }))
    }

    async fn get_received_invitation(
        &self,
        request: Request<pb::GetReceivedInvitationRequest>,
    ) -> Result<Response<pb::GetReceivedInvitationResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let recipient_id = violations.uuid("recipient_id", &request.recipient_id);
        let id = violations.uuid("invitation_id", &request.invitation_id);
        violations.into_result(DOMAIN, ())?;
        let found = self
            .0
            .database
            .run(deadline, move |db| books::received(db, recipient_id, id))
            .await;
        let row = found.map_err(|error| from_database(DOMAIN, &error))?;
        let row = row.ok_or_else(|| errors::refused(Refusal::InvitationNotFound))?;
        let invitation = Some(views::received(&row, self.0.clock.now()));
        Ok(Response::new(pb::GetReceivedInvitationResponse { invitation }))
    }

    async fn list_received_invitations(
        &self,
        request: Request<pb::ListReceivedInvitationsRequest>,
    ) -> Result<Response<pb::ListReceivedInvitationsResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let owner = violations.uuid("recipient_id", &request.recipient_id);
        let size = violations.page_size("page_size", request.page_size);
        let folder = read_folder(&mut violations, request.folder);
        let list = Purpose("page of ListReceivedInvitations");
        let pages = Pages {
            keys: &self.0.keys,
            list,
            owner,
            filter: folder_byte(folder),
        };
        let before = pages.before_id(&mut violations, &request.page_token);
        violations.into_result(DOMAIN, ())?;
        let now = self.0.clock.now();
        let limit = size as i64 + 1;
        let rows = self.0.database.run(deadline, move |db| {
            books::received_page(db, owner, folder, now, before, limit)
        });
        let (rows, more) = cut(rows.await.map_err(|error| from_database(DOMAIN, &error))?, size);
        let last = rows.last().filter(|_| more);
        Ok(Response::new(pb::ListReceivedInvitationsResponse {
            next_page_token: last.map(|row| pages.token(row.id.as_bytes())).unwrap_or_default(),
            invitations: rows.iter().map(|row| views::received(row, now)).collect(),
        }))
    }

    async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::AcceptInvitationResponse>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let command = self.read_accept(&caller, &request.into_inner())?;
        match errors::answer(self.0.ledger.submit(command, deadline).await)? {
            Answer::Accepted(row) => {
                let at = row.accepted_at.ok_or_else(errors::wrong_answer)?;
                Ok(Response::new(pb::AcceptInvitationResponse {
                    invitation: Some(views::received(&row, self.0.clock.now())),
                    connection: Some(views::connection(row.recipient_id, row.inviter_id, at)),
                }))
            }
            Answer::Sent(_) | Answer::Connected(_) | Answer::Upserted(_) => Err(errors::wrong_answer()),
        }
    }
}

impl Service {
    fn read_send(&self, caller: &Caller, request: &pb::SendInvitationRequest) -> Result<Command, Status> {
        let mut violations = Violations::default();
        let inviter_id = violations.uuid("inviter_id", &request.inviter_id);
        let recipient_id = violations.uuid("recipient_id", &request.recipient_id);
        let note = violations.text("note", &request.note, NOTE_CHARS);
        let recipient_email = match request.recipient_email.as_str() {
            "" => None,
            given => Some(violations.email("recipient_email", given)),
        };
        let key = request_key(
            &mut violations,
            caller,
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
        let reminders = request.reminders.unwrap_or(true);
        let act = Act::Send(Send {
            inviter_id,
            recipient_id,
            note,
            recipient_email,
            reminders,
            entropy: rand::random(),
        });
        Ok(Command { request: key, act })
    }

    fn read_accept(&self, caller: &Caller, request: &pb::AcceptInvitationRequest) -> Result<Command, Status> {
        use pb::accept_invitation_request::Target;
        let mut violations = Violations::default();
        let recipient_id = violations.uuid("recipient_id", &request.recipient_id);
        let key = request_key(
            &mut violations,
            caller,
            "AcceptInvitation",
            &request.request_id,
            request,
        );
        let invitation_id = match &request.target {
            Some(Target::InvitationId(id)) => Some(violations.uuid("invitation_id", id)),
            // A forged, a foreign and a withdrawn link are all the same to its reader.
            Some(Target::LinkToken(token)) => self.invitation_of_link(recipient_id, token),
            None => {
                violations.add("target", "must be invitation_id or link_token");
                None
            }
        };
        violations.into_result(DOMAIN, ())?;
        let invitation_id = invitation_id.ok_or_else(|| errors::refused(Refusal::InvitationNotFound))?;
        Ok(Command {
            request: key,
            act: Act::Accept(Accept {
                recipient_id,
                invitation_id,
            }),
        })
    }

    fn invitation_of_link(&self, recipient_id: Uuid, token: &str) -> Option<Uuid> {
        let link = links::open(&self.0.keys, token)?;
        (link.recipient_id == recipient_id).then_some(link.invitation_id)
    }
}

fn read_folder(violations: &mut Violations, folder: i32) -> Folder {
    match pb::Folder::try_from(folder) {
        Ok(pb::Folder::Unspecified | pb::Folder::Inbox) => Folder::Inbox,
        Ok(pb::Folder::Archived) => Folder::Archived,
        Err(_) => {
            violations.add("folder", "must be a value of Folder");
            Folder::Inbox
        }
    }
}

/// Tells the folders' page tokens apart.
fn folder_byte(folder: Folder) -> u8 {
    match folder {
        Folder::Inbox => 1,
        Folder::Archived => 2,
    }
}
