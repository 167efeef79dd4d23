//! What tests say of a reader's choices, in few words.

use std::net::SocketAddr;

use proto::notify::v1::{
    EraseMemberRequest, EraseMemberResponse, GetPreferencesRequest, Preferences, UpdatePreferencesRequest,
    preference_service_client::PreferenceServiceClient,
};
use tonic::{Status, transport::Channel};

use crate::clients::{channel, request};

/// What a reader has who never chose.
pub const ALL_ON: Preferences = Preferences {
    invitations: true,
    reminders: true,
    acceptances: true,
    replies: true,
    restrict_email_contact: false,
};

/// A client of PreferenceService. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Choices(pub PreferenceServiceClient<Channel>);

impl Choices {
    /// A client of the service at `grpc`.
    pub fn at(grpc: SocketAddr) -> Self {
        Self(PreferenceServiceClient::new(channel(grpc)))
    }

    /// A member's choices.
    pub async fn get(&self, member_id: &str) -> Result<Preferences, Status> {
        let message = GetPreferencesRequest {
            member_id: member_id.to_owned(),
        };
        let response = self.0.clone().get_preferences(request(message)).await?;
        Ok(response.into_inner().preferences.expect("an answer tells them"))
    }

    /// Changes what is set in `change`. Answers the choices afterwards.
    pub async fn update(&self, change: UpdatePreferencesRequest) -> Result<Preferences, Status> {
        let response = self.0.clone().update_preferences(request(change)).await?;
        Ok(response.into_inner().preferences.expect("an answer tells them"))
    }

    /// Forgets a member.
    pub async fn erase(&self, message: EraseMemberRequest) -> Result<EraseMemberResponse, Status> {
        let response = self.0.clone().erase_member(request(message)).await?;
        Ok(response.into_inner())
    }
}
