//! What operators ask of notify-svc, in few words.

use std::net::SocketAddr;

use proto::notify::v1::{
    DropEmailRequest, Email, EmailEvent, EmailState, GetEmailRequest, ListEmailsRequest, ListEmailsResponse,
    ListSuppressionsRequest, RemoveSuppressionRequest, ReportBounceRequest, ReportBounceResponse,
    ResolveUncertainRequest, RetryEmailRequest, Suppression, UncertainResolution,
    delivery_service_client::DeliveryServiceClient, email_event::Event, remove_suppression_request::Which,
};
use tonic::{Status, transport::Channel};

use crate::clients::{channel, id, request};

/// Why everything is done here.
pub const NOTE: &str = "ticket 7";

/// Stands for an email's id in notifications that are kept as samples.
pub const BOUNCED: &str = "019a0000-0000-7000-8000-000000000001";

/// A sample of a notification as one about this email, with line ends as they come by mail.
pub fn bounce_of(sample: &str, email_id: &str) -> String {
    let simple = |id: &str| id.replace('-', "");
    let about = sample.replace(BOUNCED, email_id);
    about
        .replace(&simple(BOUNCED), &simple(email_id))
        .replace('\n', "\r\n")
}

/// A client of DeliveryService. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Deliveries {
    /// The generated client.
    pub client: DeliveryServiceClient<Channel>,
}

impl Deliveries {
    /// A client of the service at `grpc`.
    pub fn at(grpc: SocketAddr) -> Self {
        let client = DeliveryServiceClient::new(channel(grpc)).max_decoding_message_size(16 << 20);
        Self { client }
    }

    /// Reads an email with its history.
    pub async fn get(&self, email_id: &str) -> Result<(Email, Vec<EmailEvent>), Status> {
        let message = GetEmailRequest {
            email_id: email_id.to_owned(),
        };
        let response = self
            .client
            .clone()
            .get_email(request(message))
            .await?
            .into_inner();
        Ok((response.email.expect("OK carries it"), response.events))
    }

    /// Lists emails as `message` says.
    pub async fn list(&self, message: ListEmailsRequest) -> Result<ListEmailsResponse, Status> {
        let response = self.client.clone().list_emails(request(message)).await?;
        Ok(response.into_inner())
    }

    /// Tries an email again.
    pub async fn retry(&self, email_id: &str) -> Result<Email, Status> {
        self.retry_with(RetryEmailRequest {
            email_id: email_id.to_owned(),
            note: NOTE.to_owned(),
            request_id: id(),
        })
        .await
    }

    /// Tries an email again as `message` says.
    pub async fn retry_with(&self, message: RetryEmailRequest) -> Result<Email, Status> {
        let response = self.client.clone().retry_email(request(message)).await?;
        Ok(response.into_inner().email.expect("OK carries it"))
    }

    /// Drops an email.
    pub async fn drop(&self, email_id: &str) -> Result<Email, Status> {
        let message = DropEmailRequest {
            email_id: email_id.to_owned(),
            note: NOTE.to_owned(),
            request_id: id(),
        };
        let response = self.client.clone().drop_email(request(message)).await?;
        Ok(response.into_inner().email.expect("OK carries it"))
    }

    /// Says what became of an email.
    pub async fn resolve(&self, email_id: &str, resolution: UncertainResolution) -> Result<Email, Status> {
        let message = ResolveUncertainRequest {
            email_id: email_id.to_owned(),
            resolution: resolution.into(),
            note: NOTE.to_owned(),
            request_id: id(),
        };
        let response = self.client.clone().resolve_uncertain(request(message)).await?;
        Ok(response.into_inner().email.expect("OK carries it"))
    }

    /// Reports a notification.
    pub async fn bounce(&self, message: impl Into<Vec<u8>>) -> Result<ReportBounceResponse, Status> {
        let message = ReportBounceRequest {
            message: message.into(),
        };
        let response = self.client.clone().report_bounce(request(message)).await?;
        Ok(response.into_inner())
    }

    /// Whether and why an address is suppressed.
    pub async fn suppression(&self, address: &str) -> Option<Suppression> {
        let message = ListSuppressionsRequest {
            address: address.to_owned(),
            ..ListSuppressionsRequest::default()
        };
        let response = self.client.clone().list_suppressions(request(message)).await;
        let mut found = response.expect("answered").into_inner().suppressions;
        assert!(found.len() <= 1, "{found:?}");
        found.pop()
    }

    /// Lets an address get emails again; answers whether it was suppressed.
    pub async fn remove_suppression(&self, which: Which, request_id: &str) -> Result<bool, Status> {
        let message = RemoveSuppressionRequest {
            which: Some(which),
            note: NOTE.to_owned(),
            request_id: request_id.to_owned(),
        };
        let response = self.client.clone().remove_suppression(request(message)).await?;
        Ok(response.into_inner().removed)
    }

    /// Waits until the email stands there, at most half a minute. Panics with where it stands.
    pub async fn until(&self, email_id: &str, state: EmailState) -> Email {
        let mut stands = None;
        for _ in 0..1_500 {
            let (email, _) = self.get(email_id).await.expect("it is there");
            if email.state() == state && !email.claimed {
                return email;
            }
            stands = Some(email.state());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("stands at {stands:?}, not at {state:?}");
    }
}

/// An event in a word or two: the code of an attempt, the status of a bounce, the rpc of an act.
pub fn told(event: &EmailEvent) -> String {
    match event.event.as_ref().expect("each event says what it is") {
        Event::Attempt(attempt) => attempt.code.to_string(),
        Event::Bounce(bounce) => bounce.status.clone(),
        Event::Act(act) => act.rpc.clone(),
    }
}
