//! What tests say often, in few words, over the generated clients.

use std::{net::SocketAddr, time::Duration};

use futures_util::Stream;
use proto::invitations::v1::{
    AcceptInvitationRequest, AcceptInvitationResponse, BatchSendInvitationsRequest, Connection,
    ConnectionSummary, DeclineInvitationRequest, EraseMemberRequest, Folder, GetConnectionSummaryRequest,
    GetReceivedInvitationRequest, GetSentInvitationRequest, IgnoreInvitationRequest, ListConnectionsRequest,
    ListReceivedInvitationsRequest, ListRepliesRequest, ListSentInvitationsRequest, Member,
    ReceivedInvitation, RemoveConnectionRequest, Reply, ReplyToInvitationRequest, ReplyToInvitationResponse,
    RestoreInvitationRequest, SendInvitationRequest, SendInvitationResponse, SendInvitationResult,
    SendInvitationStreamRequest, SendInvitationStreamResponse, SentInvitation, StopRemindersRequest,
    UpsertMembersRequest, WithdrawInvitationRequest, accept_invitation_request::Target,
    connection_service_client::ConnectionServiceClient, invitation_service_client::InvitationServiceClient,
    member_service_client::MemberServiceClient, send_invitation_response::Outcome,
};
use tonic::{
    Code, Request, Status, Streaming,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;
use uuid::Uuid;

/// Deadline of each call.
const DEADLINE: Duration = Duration::from_secs(10);

/// A channel to `grpc`, connected when it is first used.
pub fn channel(grpc: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{grpc}"))
        .expect("an address makes a URL")
        .connect_lazy()
}

/// `message` with a deadline, as every call should have one.
pub fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

/// Reason of a refusal (google.rpc.ErrorInfo); empty where there is none.
pub fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map_or_else(String::new, |info| info.reason)
}

/// A fresh UUID as the wire carries it.
pub fn id() -> String {
    Uuid::new_v4().to_string()
}

/// A new member with an id and an address of its own.
pub fn member(name: &str) -> Member {
    let member_id = id();
    Member {
        email: format!("{}@example.com", member_id),
        member_id,
        name: name.to_owned(),
        ..Member::default()
    }
}

/// An invitation to send, with a fresh request id and neither note nor address.
pub fn send_request(inviter: &str, recipient: &str) -> SendInvitationRequest {
    SendInvitationRequest {
        inviter_id: inviter.to_owned(),
        recipient_id: recipient.to_owned(),
        request_id: id(),
        ..SendInvitationRequest::default()
    }
}

/// Code and reason of a refusal.
pub fn refusal(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

/// The clients of invitations-svc. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Invitations {
    /// For invitations.
    pub invitations: InvitationServiceClient<Channel>,
    /// For connections.
    pub connections: ConnectionServiceClient<Channel>,
    /// For members.
    pub members: MemberServiceClient<Channel>,
}

impl Invitations {
    /// Clients of the service at `grpc`.
    pub fn at(grpc: SocketAddr) -> Self {
        let channel = channel(grpc);
        Self {
            invitations: InvitationServiceClient::new(channel.clone()),
            connections: ConnectionServiceClient::new(channel.clone()),
            members: MemberServiceClient::new(channel),
        }
    }

    /// Creates one new member for each name, and answers their ids. Panics where that is refused.
    pub async fn new_members<const N: usize>(&self, names: [&str; N]) -> [String; N] {
        let members = names.map(member);
        let ids = members.clone().map(|member| member.member_id);
        self.upsert(members.to_vec()).await.expect("members are taken");
        ids
    }

    /// Creates `count` new members, and answers their ids. Panics where that is refused.
    pub async fn crowd(&self, count: usize) -> Vec<String> {
        let members: Vec<Member> = (0..count)
            .map(|number| member(&format!("Member {number}")))
            .collect();
        for some in members.chunks(100) {
            self.upsert(some.to_vec()).await.expect("members are taken");
        }
        members.into_iter().map(|member| member.member_id).collect()
    }

    /// Creates or replaces members.
    pub async fn upsert(&self, members: Vec<Member>) -> Result<Vec<Member>, Status> {
        let message = UpsertMembersRequest {
            members,
            request_id: id(),
        };
        let response = self.members.clone().upsert_members(request(message)).await?;
        Ok(response.into_inner().members)
    }

    /// Sends an invitation with a fresh request id and neither note nor address.
    pub async fn send(&self, inviter: &str, recipient: &str) -> Result<SendInvitationResponse, Status> {
        self.send_with(send_request(inviter, recipient)).await
    }

    /// Sends an invitation as `message` says.
    pub async fn send_with(&self, message: SendInvitationRequest) -> Result<SendInvitationResponse, Status> {
        let response = self.invitations.clone().send_invitation(request(message)).await?;
        Ok(response.into_inner())
    }

    /// Sends an invitation. Panics unless that made or renewed one.
    pub async fn invite(&self, inviter: &str, recipient: &str) -> SentInvitation {
        match self.send(inviter, recipient).await.expect("sent").outcome {
            Some(Outcome::Invitation(invitation)) => invitation,
            other => panic!("not an invitation: {other:?}"),
        }
    }

    /// Accepts an invitation by its id.
    pub async fn accept(
        &self,
        recipient: &str,
        invitation: &str,
    ) -> Result<AcceptInvitationResponse, Status> {
        self.accept_target(recipient, Target::InvitationId(invitation.to_owned()))
            .await
    }

    /// Accepts an invitation by its id or by the token of its link.
    pub async fn accept_target(
        &self,
        recipient: &str,
        target: Target,
    ) -> Result<AcceptInvitationResponse, Status> {
        let message = AcceptInvitationRequest {
            recipient_id: recipient.to_owned(),
            target: Some(target),
            request_id: id(),
            etag: String::new(),
        };
        let response = self
            .invitations
            .clone()
            .accept_invitation(request(message))
            .await?;
        Ok(response.into_inner())
    }

    /// Replies to an invitation.
    pub async fn reply(
        &self,
        recipient: &str,
        invitation: &str,
        text: &str,
    ) -> Result<ReplyToInvitationResponse, Status> {
        let message = ReplyToInvitationRequest {
            recipient_id: recipient.to_owned(),
            invitation_id: invitation.to_owned(),
            text: text.to_owned(),
            etag: String::new(),
            request_id: id(),
        };
        let mut client = self.invitations.clone();
        let response = client.reply_to_invitation(request(message)).await?;
        Ok(response.into_inner())
    }

    /// All replies to an invitation, as one of its two sides reads them.
    pub async fn replies(&self, member: &str, invitation: &str) -> Result<Vec<Reply>, Status> {
        let message = ListRepliesRequest {
            member_id: member.to_owned(),
            invitation_id: invitation.to_owned(),
        };
        let response = self.invitations.clone().list_replies(request(message)).await?;
        Ok(response.into_inner().replies)
    }

    /// Ignores an invitation. Panics where that is refused.
    pub async fn ignore(&self, recipient: &str, invitation: &str) -> ReceivedInvitation {
        self.move_with(Act::Ignore, recipient, invitation).await
    }

    /// Restores an invitation. Panics where that is refused.
    pub async fn restore(&self, recipient: &str, invitation: &str) -> ReceivedInvitation {
        self.move_with(Act::Restore, recipient, invitation).await
    }

    /// Ignores an invitation, then declines it. Panics where that is refused.
    pub async fn decline(&self, recipient: &str, invitation: &str) -> ReceivedInvitation {
        self.ignore(recipient, invitation).await;
        self.move_with(Act::Decline, recipient, invitation).await
    }

    async fn move_with(&self, act: Act, recipient: &str, invitation: &str) -> ReceivedInvitation {
        match self.act(act, recipient, invitation).await {
            Ok(Acted::Received(invitation)) => invitation,
            other => panic!("{act:?} is not answered so: {other:?}"),
        }
    }

    /// Withdraws an invitation.
    pub async fn withdraw(&self, inviter: &str, invitation: &str) -> Result<SentInvitation, Status> {
        match self.act(Act::Withdraw, inviter, invitation).await? {
            Acted::Sent(invitation) => Ok(invitation),
            other => panic!("a withdrawal is not answered so: {other:?}"),
        }
    }

    /// Does `act` with a fresh request id, whatever etag the invitation has.
    pub async fn act(&self, act: Act, member: &str, invitation: &str) -> Result<Acted, Status> {
        self.act_with(act, member, invitation, "", &id()).await
    }

    /// Does `act` as the member whose act it is. Acts of inviters carry no etag.
    pub async fn act_with(
        &self,
        act: Act,
        member: &str,
        invitation: &str,
        etag: &str,
        request_id: &str,
    ) -> Result<Acted, Status> {
        let (member_id, invitation_id) = (member.to_owned(), invitation.to_owned());
        let (etag, request_id) = (etag.to_owned(), request_id.to_owned());
        let mut client = self.invitations.clone();
        Ok(match act {
            Act::Accept => {
                let message = AcceptInvitationRequest {
                    recipient_id: member_id,
                    target: Some(Target::InvitationId(invitation_id)),
                    request_id,
                    etag,
                };
                Acted::Accepted(client.accept_invitation(request(message)).await?.into_inner())
            }
            Act::Reply => {
                let message = ReplyToInvitationRequest {
                    recipient_id: member_id,
                    invitation_id,
                    text: REPLY.to_owned(),
                    etag,
                    request_id,
                };
                Acted::Replied(client.reply_to_invitation(request(message)).await?.into_inner())
            }
            Act::Ignore => {
                let message = IgnoreInvitationRequest {
                    recipient_id: member_id,
                    invitation_id,
                    etag,
                    request_id,
                };
                let response = client.ignore_invitation(request(message)).await?;
                Acted::Received(response.into_inner().invitation.expect("OK carries it"))
            }
            Act::Restore => {
                let message = RestoreInvitationRequest {
                    recipient_id: member_id,
                    invitation_id,
                    etag,
                    request_id,
                };
                let response = client.restore_invitation(request(message)).await?;
                Acted::Received(response.into_inner().invitation.expect("OK carries it"))
            }
            Act::Decline => {
                let message = DeclineInvitationRequest {
                    recipient_id: member_id,
                    invitation_id,
                    etag,
                    request_id,
                };
                let response = client.decline_invitation(request(message)).await?;
                Acted::Received(response.into_inner().invitation.expect("OK carries it"))
            }
            Act::Withdraw => {
                let message = WithdrawInvitationRequest {
                    inviter_id: member_id,
                    invitation_id,
                    request_id,
                };
                let response = client.withdraw_invitation(request(message)).await?;
                Acted::Sent(response.into_inner().invitation.expect("OK carries it"))
            }
            Act::StopReminders => {
                let message = StopRemindersRequest {
                    inviter_id: member_id,
                    invitation_id,
                    request_id,
                };
                let response = client.stop_reminders(request(message)).await?;
                Acted::Sent(response.into_inner().invitation.expect("OK carries it"))
            }
        })
    }

    /// Sends many invitations in one call.
    pub async fn batch(
        &self,
        requests: Vec<SendInvitationRequest>,
    ) -> Result<Vec<SendInvitationResult>, Status> {
        let message = BatchSendInvitationsRequest { requests };
        let mut client = self.invitations.clone();
        let response = client.batch_send_invitations(request(message)).await?;
        Ok(response.into_inner().results)
    }

    /// Opens a stream of invitations to send.
    pub async fn stream(
        &self,
        items: impl Stream<Item = SendInvitationStreamRequest> + Send + 'static,
    ) -> Result<Streaming<SendInvitationStreamResponse>, Status> {
        let mut client = self.invitations.clone();
        Ok(client.send_invitation_stream(items).await?.into_inner())
    }

    /// Reads an invitation from the inviter's book.
    pub async fn sent(&self, inviter: &str, invitation: &str) -> Result<SentInvitation, Status> {
        let message = GetSentInvitationRequest {
            inviter_id: inviter.to_owned(),
            invitation_id: invitation.to_owned(),
        };
        let response = self
            .invitations
            .clone()
            .get_sent_invitation(request(message))
            .await?;
        Ok(response.into_inner().invitation.expect("OK carries it"))
    }

    /// Reads an invitation from the recipient's book.
    pub async fn received(&self, recipient: &str, invitation: &str) -> Result<ReceivedInvitation, Status> {
        let message = GetReceivedInvitationRequest {
            recipient_id: recipient.to_owned(),
            invitation_id: invitation.to_owned(),
        };
        let response = self
            .invitations
            .clone()
            .get_received_invitation(request(message))
            .await?;
        Ok(response.into_inner().invitation.expect("OK carries it"))
    }

    /// The newest hundred of the inviter's book.
    pub async fn outbox(&self, inviter: &str) -> Result<Vec<SentInvitation>, Status> {
        let message = ListSentInvitationsRequest {
            inviter_id: inviter.to_owned(),
            page_size: 100,
            page_token: String::new(),
        };
        let response = self
            .invitations
            .clone()
            .list_sent_invitations(request(message))
            .await?;
        Ok(response.into_inner().invitations)
    }

    /// The newest hundred in one folder of the recipient.
    pub async fn folder(&self, recipient: &str, folder: Folder) -> Result<Vec<ReceivedInvitation>, Status> {
        let message = ListReceivedInvitationsRequest {
            recipient_id: recipient.to_owned(),
            folder: folder.into(),
            page_size: 100,
            page_token: String::new(),
        };
        let response = self
            .invitations
            .clone()
            .list_received_invitations(request(message))
            .await?;
        Ok(response.into_inner().invitations)
    }

    /// A member's newest hundred connections.
    pub async fn connections(&self, member: &str) -> Result<Vec<Connection>, Status> {
        let message = ListConnectionsRequest {
            member_id: member.to_owned(),
            page_size: 100,
            page_token: String::new(),
        };
        let response = self
            .connections
            .clone()
            .list_connections(request(message))
            .await?;
        Ok(response.into_inner().connections)
    }

    /// How one member sees another one's connections.
    pub async fn summary(&self, viewer: &str, member: &str) -> Result<ConnectionSummary, Status> {
        let message = GetConnectionSummaryRequest {
            viewer_id: viewer.to_owned(),
            member_id: member.to_owned(),
        };
        let mut client = self.connections.clone();
        let response = client.get_connection_summary(request(message)).await?;
        Ok(response.into_inner().summary.expect("OK carries it"))
    }

    /// Ends a connection.
    pub async fn disconnect(&self, member: &str, other: &str) -> Result<(), Status> {
        self.disconnect_with(member, other, &id()).await
    }

    /// Ends a connection under a request id.
    pub async fn disconnect_with(&self, member: &str, other: &str, request_id: &str) -> Result<(), Status> {
        let message = RemoveConnectionRequest {
            member_id: member.to_owned(),
            other_id: other.to_owned(),
            request_id: request_id.to_owned(),
        };
        self.connections
            .clone()
            .remove_connection(request(message))
            .await
            .map(|_| ())
    }

    /// Erases a member.
    pub async fn erase(&self, member: &str) -> Result<(), Status> {
        let message = EraseMemberRequest {
            member_id: member.to_owned(),
            request_id: id(),
        };
        self.members
            .clone()
            .erase_member(request(message))
            .await
            .map(|_| ())
    }
}

/// What one of the two sides does with an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// As the recipient.
    Accept,
    /// As the recipient, with [`REPLY`].
    Reply,
    /// As the recipient.
    Ignore,
    /// As the recipient.
    Restore,
    /// As the recipient, without ignoring first.
    Decline,
    /// As the inviter.
    Withdraw,
    /// As the inviter.
    StopReminders,
}

/// The text of [`Act::Reply`].
pub const REPLY: &str = "Where do we know each other from?";

impl Act {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Accept,
        Self::Reply,
        Self::Ignore,
        Self::Restore,
        Self::Decline,
        Self::Withdraw,
        Self::StopReminders,
    ];

    /// Whose act it is.
    pub fn of<T>(self, inviter: T, recipient: T) -> T {
        match self {
            Self::Accept | Self::Reply | Self::Ignore | Self::Restore | Self::Decline => recipient,
            Self::Withdraw | Self::StopReminders => inviter,
        }
    }
}

/// How an act is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Acted {
    /// Accept.
    Accepted(AcceptInvitationResponse),
    /// Reply.
    Replied(ReplyToInvitationResponse),
    /// Ignore, restore and decline: the invitation as the recipient sees it.
    Received(ReceivedInvitation),
    /// Withdraw and stop reminders: the invitation as the inviter sees it.
    Sent(SentInvitation),
}
