//! InvitationService: which function answers which rpc.

mod acts;
mod reading;
mod sending;

use std::pin::Pin;

use futures_util::Stream;
use proto::invitations::v1 as pb;
use shell::gate;
use tonic::{Request, Response, Status, Streaming};

use self::{acts::Asked, sending::Sending};
use super::Rooms;
use crate::domain::command::{Answer, Recalled};

pub(super) struct Service(pub(super) Rooms);

#[tonic::async_trait]
impl pb::invitation_service_server::InvitationService for Service {
    async fn send_invitation(
        &self,
        request: Request<pb::SendInvitationRequest>,
    ) -> Result<Response<pb::SendInvitationResponse>, Status> {
        let (sending, deadline) = Sending::of(&self.0, &request);
        sending
            .one(&request.into_inner(), deadline)
            .await
            .map(Response::new)
    }

    async fn batch_send_invitations(
        &self,
        request: Request<pb::BatchSendInvitationsRequest>,
    ) -> Result<Response<pb::BatchSendInvitationsResponse>, Status> {
        let (sending, deadline) = Sending::of(&self.0, &request);
        sending
            .batch(&request.into_inner(), deadline)
            .await
            .map(Response::new)
    }

    type SendInvitationStreamStream =
        Pin<Box<dyn Stream<Item = Result<pb::SendInvitationStreamResponse, Status>> + Send>>;

    async fn send_invitation_stream(
        &self,
        request: Request<Streaming<pb::SendInvitationStreamRequest>>,
    ) -> Result<Response<Self::SendInvitationStreamStream>, Status> {
        let (sending, _) = Sending::of(&self.0, &request);
        let place = gate::place(&request);
        let answers = sending.stream(request.into_inner(), self.0.limits.stream_in_flight, place);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_sent_invitation(
        &self,
        request: Request<pb::GetSentInvitationRequest>,
    ) -> Result<Response<pb::GetSentInvitationResponse>, Status> {
        reading::get_sent(&self.0, request).await
    }

    async fn list_sent_invitations(
        &self,
        request: Request<pb::ListSentInvitationsRequest>,
    ) -> Result<Response<pb::ListSentInvitationsResponse>, Status> {
        reading::list_sent(&self.0, request).await
    }

    async fn get_received_invitation(
        &self,
        request: Request<pb::GetReceivedInvitationRequest>,
    ) -> Result<Response<pb::GetReceivedInvitationResponse>, Status> {
        reading::get_received(&self.0, request).await
    }

    async fn list_received_invitations(
        &self,
        request: Request<pb::ListReceivedInvitationsRequest>,
    ) -> Result<Response<pb::ListReceivedInvitationsResponse>, Status> {
        reading::list_received(&self.0, request).await
    }

    async fn list_replies(
        &self,
        request: Request<pb::ListRepliesRequest>,
    ) -> Result<Response<pb::ListRepliesResponse>, Status> {
        reading::list_replies(&self.0, request).await
    }

    async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::AcceptInvitationResponse>, Status> {
        acts::accept(&self.0, request).await
    }

    async fn reply_to_invitation(
        &self,
        request: Request<pb::ReplyToInvitationRequest>,
    ) -> Result<Response<pb::ReplyToInvitationResponse>, Status> {
        acts::reply(&self.0, request).await
    }

    async fn ignore_invitation(
        &self,
        request: Request<pb::IgnoreInvitationRequest>,
    ) -> Result<Response<pb::IgnoreInvitationResponse>, Status> {
        let (asked, request) = Asked::of("IgnoreInvitation", request);
        let (recipient, id, etag) = (&request.recipient_id, &request.invitation_id, &request.etag);
        let invitation = asked
            .answer(
                &self.0,
                &request.request_id,
                &request,
                recipient,
                id,
                etag,
                Answer::Ignore,
            )
            .await?;
        let invitation = Some(invitation);
        Ok(Response::new(pb::IgnoreInvitationResponse { invitation }))
    }

    async fn restore_invitation(
        &self,
        request: Request<pb::RestoreInvitationRequest>,
    ) -> Result<Response<pb::RestoreInvitationResponse>, Status> {
        let (asked, request) = Asked::of("RestoreInvitation", request);
        let (recipient, id, etag) = (&request.recipient_id, &request.invitation_id, &request.etag);
        let invitation = asked
            .answer(
                &self.0,
                &request.request_id,
                &request,
                recipient,
                id,
                etag,
                Answer::Restore,
            )
            .await?;
        let invitation = Some(invitation);
        Ok(Response::new(pb::RestoreInvitationResponse { invitation }))
    }

    async fn decline_invitation(
        &self,
        request: Request<pb::DeclineInvitationRequest>,
    ) -> Result<Response<pb::DeclineInvitationResponse>, Status> {
        let (asked, request) = Asked::of("DeclineInvitation", request);
        let (recipient, id, etag) = (&request.recipient_id, &request.invitation_id, &request.etag);
        let invitation = asked
            .answer(
                &self.0,
                &request.request_id,
                &request,
                recipient,
                id,
                etag,
                Answer::Decline,
            )
            .await?;
        let invitation = Some(invitation);
        Ok(Response::new(pb::DeclineInvitationResponse { invitation }))
    }

    async fn withdraw_invitation(
        &self,
        request: Request<pb::WithdrawInvitationRequest>,
    ) -> Result<Response<pb::WithdrawInvitationResponse>, Status> {
        let (asked, request) = Asked::of("WithdrawInvitation", request);
        let (inviter, id) = (&request.inviter_id, &request.invitation_id);
        let invitation = asked
            .recall(
                &self.0,
                &request.request_id,
                &request,
                inviter,
                id,
                Recalled::Invitation,
            )
            .await?;
        let invitation = Some(invitation);
        Ok(Response::new(pb::WithdrawInvitationResponse { invitation }))
    }

    async fn stop_reminders(
        &self,
        request: Request<pb::StopRemindersRequest>,
    ) -> Result<Response<pb::StopRemindersResponse>, Status> {
        let (asked, request) = Asked::of("StopReminders", request);
        let (inviter, id) = (&request.inviter_id, &request.invitation_id);
        let invitation = asked
            .recall(
                &self.0,
                &request.request_id,
                &request,
                inviter,
                id,
                Recalled::Reminders,
            )
            .await?;
        let invitation = Some(invitation);
        Ok(Response::new(pb::StopRemindersResponse { invitation }))
    }
}
