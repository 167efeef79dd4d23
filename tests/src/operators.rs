//! What operators ask of invitations-svc, in few words.

use std::net::SocketAddr;

use proto::invitations::v1::{
    Account, AuditEntry, ExplainSendRequest, ExplainSendResponse, GetAccountRequest, GrantQuotaRequest,
    ImposeRestrictionRequest, LiftBanRequest, LiftRestrictionRequest, Limit, ListAuditRequest,
    RestrictionKind, operator_service_client::OperatorServiceClient,
};
use tonic::{Status, transport::Channel};

use crate::clients::{channel, id, request};

/// Why everything is done here.
pub const NOTE: &str = "ticket 7";

/// A client of OperatorService.
#[derive(Debug, Clone)]
pub struct Operators {
    /// The generated client.
    pub client: OperatorServiceClient<Channel>,
}

impl Operators {
    /// A client of the service at `grpc`.
    pub fn at(grpc: SocketAddr) -> Self {
        let client = OperatorServiceClient::new(channel(grpc));
        Self { client }
    }

    /// Reads an account.
    pub async fn account(&self, member: &str) -> Result<Account, Status> {
        let message = GetAccountRequest {
            member_id: member.to_owned(),
        };
        let response = self.client.clone().get_account(request(message)).await?;
        Ok(response.into_inner().account.expect("OK carries it"))
    }

    /// Grants sends.
    pub async fn grant(&self, member: &str, count: i32) -> Result<Account, Status> {
        self.grant_with(GrantQuotaRequest {
            member_id: member.to_owned(),
            count,
            note: NOTE.to_owned(),
            request_id: id(),
        })
        .await
    }

    /// Grants sends as `message` says.
    pub async fn grant_with(&self, message: GrantQuotaRequest) -> Result<Account, Status> {
        let response = self.client.clone().grant_quota(request(message)).await?;
        Ok(response.into_inner().account.expect("OK carries it"))
    }

    /// Restricts a member for so many seconds; until lifted where it is none.
    pub async fn impose(
        &self,
        member: &str,
        kind: RestrictionKind,
        seconds: Option<i64>,
    ) -> Result<Account, Status> {
        let message = ImposeRestrictionRequest {
            member_id: member.to_owned(),
            kind: kind.into(),
            duration: seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
            note: NOTE.to_owned(),
            request_id: id(),
        };
        let response = self.client.clone().impose_restriction(request(message)).await?;
        Ok(response.into_inner().account.expect("OK carries it"))
    }

    /// Lifts a restriction.
    pub async fn lift(&self, member: &str, forget_strikes: bool) -> Result<Account, Status> {
        let message = LiftRestrictionRequest {
            member_id: member.to_owned(),
            forget_strikes,
            note: NOTE.to_owned(),
            request_id: id(),
        };
        let response = self.client.clone().lift_restriction(request(message)).await?;
        Ok(response.into_inner().account.expect("OK carries it"))
    }

    /// Lifts what stands between two members.
    pub async fn lift_ban(&self, inviter: &str, recipient: &str) -> Result<(), Status> {
        let message = LiftBanRequest {
            inviter_id: inviter.to_owned(),
            recipient_id: recipient.to_owned(),
            note: NOTE.to_owned(),
            request_id: id(),
        };
        self.client.clone().lift_ban(request(message)).await.map(drop)
    }

    /// Asks what a send would come to.
    pub async fn explain(
        &self,
        inviter: &str,
        recipient: &str,
        address: &str,
    ) -> Result<ExplainSendResponse, Status> {
        let message = ExplainSendRequest {
            inviter_id: inviter.to_owned(),
            recipient_id: recipient.to_owned(),
            recipient_email: address.to_owned(),
        };
        let response = self.client.clone().explain_send(request(message)).await?;
        Ok(response.into_inner())
    }

    /// The newest hundred entries of a member's audit log.
    pub async fn audit(&self, member: &str) -> Result<Vec<AuditEntry>, Status> {
        let message = ListAuditRequest {
            member_id: member.to_owned(),
            page_size: 100,
            page_token: String::new(),
        };
        let response = self.client.clone().list_audit(request(message)).await?;
        Ok(response.into_inner().entries)
    }
}

/// What counts against a limit, and the limit.
pub fn used(account: &Account, limit: Limit) -> (i32, i32) {
    let usage = account.usages.iter().find(|usage| usage.limit() == limit);
    let usage = usage.expect("every limit is shown");
    (usage.used_count, usage.limit_count)
}
