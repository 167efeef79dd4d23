//! notify-svc, as our workers call it.

use std::time::Duration;

use jiff::Timestamp;
use proto::notify::v1::{
    ApplyEmailCommandsRequest, EmailCommand, EraseMemberRequest, email_service_client::EmailServiceClient,
    preference_service_client::PreferenceServiceClient,
};
use secrecy::{ExposeSecret, SecretString};
use shell::clock::to_proto;
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
use uuid::Uuid;

/// Longest time for one call.
const CALL: Duration = Duration::from_secs(5);

/// A client.
#[derive(Clone)]
pub struct Notify {
    emails: EmailServiceClient<Channel>,
    preferences: PreferenceServiceClient<Channel>,
    token: Option<SecretString>,
}

impl Notify {
    /// A client over `channel`, known there by `token`.
    pub fn new(channel: Channel, token: Option<SecretString>) -> Self {
        Self {
            emails: EmailServiceClient::new(channel.clone()),
            preferences: PreferenceServiceClient::new(channel),
            token,
        }
    }

    /// Has all commands applied, or none.
    pub(super) async fn apply(&self, commands: Vec<EmailCommand>) -> Result<(), Status> {
        let request = self.request(ApplyEmailCommandsRequest { commands })?;
        in_time(self.emails.clone().apply_email_commands(request))
            .await
            .map(drop)
    }

    /// Has emails to and about the member forgotten, those of events up to `until`. Answers how many of them are being
    /// handed over right now, and are forgotten by a later call.
    pub(super) async fn erase_member(&self, member_id: Uuid, until: Timestamp) -> Result<i32, Status> {
        let request = self.request(EraseMemberRequest {
            member_id: member_id.to_string(),
            until: Some(to_proto(until)),
        })?;
        let answer = in_time(self.preferences.clone().erase_member(request)).await?;
        Ok(answer.in_flight_count)
    }

    fn request<T>(&self, message: T) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        request.set_timeout(CALL);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", bearer(token)?);
        }
        Ok(request)
    }
}

/// Whether notify-svc as a whole does not answer us.
pub(super) fn is_away(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::Unimplemented
    )
}

async fn in_time<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    let answer = tokio::time::timeout(CALL, call).await;
    answer
        .map_err(|_| Status::deadline_exceeded("no answer in time"))?
        .map(Response::into_inner)
}

fn bearer(token: &SecretString) -> Result<MetadataValue<Ascii>, Status> {
    let value = format!("Bearer {}", token.expose_secret());
    value
        .parse()
        .map_err(|_| Status::unauthenticated("--notify-token is not a header value"))
}
