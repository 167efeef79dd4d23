//! What tests say often, in few words, over the generated clients.

use std::{net::SocketAddr, time::Duration};

use proto::invitations::v1::{
    AcceptInvitationRequest, AcceptInvitationResponse, Connection, Folder, GetReceivedInvitationRequest,
    GetSentInvitationRequest, ListConnectionsRequest, ListReceivedInvitationsRequest,
    ListSentInvitationsRequest, Member, ReceivedInvitation, SendInvitationRequest, SendInvitationResponse,
    SentInvitation, UpsertMembersRequest, accept_invitation_request::Target,
    connection_service_client::ConnectionServiceClient, invitation_service_client::InvitationServiceClient,
    member_service_client::MemberServiceClient, send_invitation_response::Outcome,
};
use tonic::{
    Request, Status,
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
        self.send_with(SendInvitationRequest {
            inviter_id: inviter.to_owned(),
            recipient_id: recipient.to_owned(),
            request_id: id(),
            ..SendInvitationRequest::default()
        })
        .await
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
}
