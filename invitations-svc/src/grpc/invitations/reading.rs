//! Reading the two books. What has vanished for its reader is NOT_FOUND, like what never was.

use proto::invitations::v1 as pb;
use shell::{errors::from_database, fields::Violations, gate, paging::cut, signing::Purpose};
use tonic::{Request, Response, Status};

use super::super::{DOMAIN, Rooms, errors, paging::pages, views};
use crate::{
    domain::{invitation::Folder, refusal::Refusal},
    store::{
        books,
        pages::{ReceivedPage, SentPage},
    },
};

pub(super) async fn get_sent(
    rooms: &Rooms,
    request: Request<pb::GetSentInvitationRequest>,
) -> Result<Response<pb::GetSentInvitationResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let mut violations = Violations::default();
    let inviter_id = violations.uuid("inviter_id", &request.inviter_id);
    let id = violations.uuid("invitation_id", &request.invitation_id);
    violations.into_result(DOMAIN, ())?;
    let found = rooms
        .database
        .run(deadline, move |db| books::sent(db, inviter_id, id))
        .await;
    let row = found.map_err(|error| from_database(DOMAIN, &error))?;
    let now = rooms.clock.now();
    let invitation = row.and_then(|row| views::sent(&row, now)).ok_or_else(not_found)?;
    Ok(Response::new(pb::GetSentInvitationResponse {
        invitation: Some(invitation),
    }))
}

pub(super) async fn list_sent(
    rooms: &Rooms,
    request: Request<pb::ListSentInvitationsRequest>,
) -> Result<Response<pb::ListSentInvitationsResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let mut violations = Violations::default();
    let owner = violations.uuid("inviter_id", &request.inviter_id);
    let size = violations.page_size("page_size", request.page_size);
    let pages = pages(&rooms.keys, Purpose("page of ListSentInvitations"), owner, 0);
    let before = pages.before_id(&mut violations, &request.page_token);
    violations.into_result(DOMAIN, ())?;
    let page = SentPage {
        inviter_id: owner,
        before,
        limit: size as i64 + 1,
    };
    let rows = rooms.sent_pages.read(page, deadline).await;
    let (rows, more) = cut(rows.map_err(errors::unread)?, size);
    let last = rows.last().filter(|_| more);
    let now = rooms.clock.now();
    Ok(Response::new(pb::ListSentInvitationsResponse {
        next_page_token: last.map(|row| pages.token(row.id.as_bytes())).unwrap_or_default(),
        invitations: rows.iter().filter_map(|row| views::sent(row, now)).collect(),
    }))
}

pub(super) async fn get_received(
    rooms: &Rooms,
    request: Request<pb::GetReceivedInvitationRequest>,
) -> Result<Response<pb::GetReceivedInvitationResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let mut violations = Violations::default();
    let recipient_id = violations.uuid("recipient_id", &request.recipient_id);
    let id = violations.uuid("invitation_id", &request.invitation_id);
    violations.into_result(DOMAIN, ())?;
    let found = rooms
        .database
        .run(deadline, move |db| books::received(db, recipient_id, id))
        .await;
    let row = found.map_err(|error| from_database(DOMAIN, &error))?;
    let now = rooms.clock.now();
    let invitation = row
        .and_then(|row| views::received(&row, now))
        .ok_or_else(not_found)?;
    Ok(Response::new(pb::GetReceivedInvitationResponse {
        invitation: Some(invitation),
    }))
}

pub(super) async fn list_received(
    rooms: &Rooms,
    request: Request<pb::ListReceivedInvitationsRequest>,
) -> Result<Response<pb::ListReceivedInvitationsResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let mut violations = Violations::default();
    let owner = violations.uuid("recipient_id", &request.recipient_id);
    let size = violations.page_size("page_size", request.page_size);
    let folder = read_folder(&mut violations, request.folder);
    let pages = pages(
        &rooms.keys,
        Purpose("page of ListReceivedInvitations"),
        owner,
        folder_byte(folder),
    );
    let before = pages.before_id(&mut violations, &request.page_token);
    violations.into_result(DOMAIN, ())?;
    let page = ReceivedPage {
        recipient_id: owner,
        folder,
        now: rooms.clock.now(),
        before,
        limit: size as i64 + 1,
    };
    let rows = rooms.received_pages.read(page, deadline).await;
    let (rows, more) = cut(rows.map_err(errors::unread)?, size);
    let last = rows.last().filter(|_| more);
    Ok(Response::new(pb::ListReceivedInvitationsResponse {
        next_page_token: last.map(|row| pages.token(row.id.as_bytes())).unwrap_or_default(),
        invitations: views::listed(rows, owner, folder),
    }))
}

pub(super) async fn list_replies(
    rooms: &Rooms,
    request: Request<pb::ListRepliesRequest>,
) -> Result<Response<pb::ListRepliesResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let mut violations = Violations::default();
    let member_id = violations.uuid("member_id", &request.member_id);
    let id = violations.uuid("invitation_id", &request.invitation_id);
    violations.into_result(DOMAIN, ())?;
    let now = rooms.clock.now();
    let found = rooms.database.run(deadline, move |db| {
        // The inviter's own book comes first, and where it has the invitation no other is asked.
        let inviter_id = match books::sent(db, member_id, id)? {
            Some(row) => row.state(now).map(|_| row.inviter_id),
            None => {
                books::received(db, member_id, id)?.and_then(|row| row.state(now).map(|_| row.inviter_id))
            }
        };
        inviter_id
            .map(|inviter_id| books::replies(db, inviter_id, id))
            .transpose()
    });
    let replies = found.await.map_err(|error| from_database(DOMAIN, &error))?;
    let replies = replies.ok_or_else(not_found)?;
    Ok(Response::new(pb::ListRepliesResponse {
        replies: replies.iter().map(views::reply).collect(),
    }))
}

fn not_found() -> Status {
    errors::refused(Refusal::InvitationNotFound)
}

fn read_folder(violations: &mut Violations, folder: i32) -> Folder {
    match pb::Folder::try_from(folder) {
        Ok(pb::Folder::Unspecified | pb::Folder::Inbox) => Folder::Inbox,
        Ok(pb::Folder::Archived) => Folder::Archived,
        Ok(pb::Folder::Declined) => Folder::Declined,
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
        Folder::Declined => 3,
        Folder::Barred => 4,
    }
}
