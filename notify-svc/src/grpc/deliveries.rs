//! notify.v1.DeliveryService.

mod acts;
mod bounces;
mod preview;
mod reading;
mod suppressions;

use std::sync::Arc;

use proto::notify::v1::{self as wire, delivery_service_server::DeliveryService};
use shell::{clock::Clock, postgres::Database};
use tokio::sync::Notify;
use tonic::{Request, Response, Status};

use crate::smtp::Letterhead;

/// Longest request, in bytes: a notification, or an email with everything in it as long as it may be.
pub(crate) const MAX_REQUEST_BYTES: usize = 512 * 1_024;

/// What operators work with.
pub(crate) struct Deliveries {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    /// What emails are put together with; its keys sign page tokens, too.
    pub(crate) head: Letterhead,
    /// Wakes the workers.
    pub(crate) wake: Arc<Notify>,
}

#[tonic::async_trait]
impl DeliveryService for Deliveries {
    async fn get_email(
        &self,
        request: Request<wire::GetEmailRequest>,
    ) -> Result<Response<wire::GetEmailResponse>, Status> {
        reading::get(self, request).await
    }

    async fn list_emails(
        &self,
        request: Request<wire::ListEmailsRequest>,
    ) -> Result<Response<wire::ListEmailsResponse>, Status> {
        reading::list(self, request).await
    }

    async fn retry_email(
        &self,
        request: Request<wire::RetryEmailRequest>,
    ) -> Result<Response<wire::RetryEmailResponse>, Status> {
        let email = Some(acts::retry(self, request).await?);
        Ok(Response::new(wire::RetryEmailResponse { email }))
    }

    async fn drop_email(
        &self,
        request: Request<wire::DropEmailRequest>,
    ) -> Result<Response<wire::DropEmailResponse>, Status> {
        let email = Some(acts::drop(self, request).await?);
        Ok(Response::new(wire::DropEmailResponse { email }))
    }

    async fn resolve_uncertain(
        &self,
        request: Request<wire::ResolveUncertainRequest>,
    ) -> Result<Response<wire::ResolveUncertainResponse>, Status> {
        let email = Some(acts::resolve(self, request).await?);
        Ok(Response::new(wire::ResolveUncertainResponse { email }))
    }

    async fn preview_email(
        &self,
        request: Request<wire::PreviewEmailRequest>,
    ) -> Result<Response<wire::PreviewEmailResponse>, Status> {
        preview::preview(self, request).await
    }

    async fn report_bounce(
        &self,
        request: Request<wire::ReportBounceRequest>,
    ) -> Result<Response<wire::ReportBounceResponse>, Status> {
        bounces::report(self, request).await
    }

    async fn list_suppressions(
        &self,
        request: Request<wire::ListSuppressionsRequest>,
    ) -> Result<Response<wire::ListSuppressionsResponse>, Status> {
        suppressions::list(self, request).await
    }

    async fn remove_suppression(
        &self,
        request: Request<wire::RemoveSuppressionRequest>,
    ) -> Result<Response<wire::RemoveSuppressionResponse>, Status> {
        suppressions::remove(self, request).await
    }
}
