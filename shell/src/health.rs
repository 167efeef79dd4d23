//! Health that tells the truth: serving once the database is migrated and answers, not serving when it stops to.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::postgres::Database;

/// How often the database is asked.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Whether the service can do its work right now.
#[derive(Clone)]
pub struct Readiness(Arc<watch::Sender<bool>>);

impl Readiness {
    /// Not ready yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Whether the service is ready.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves as soon as the service is ready.
    pub async fn ready(&self) {
        let mut changes = self.0.subscribe();
        changes
            .wait_for(|ready| *ready)
            .await
            .expect("the sender lives in self");
    }

    fn set(&self, ready: bool) {
        self.0
            .send_if_modified(|before| std::mem::replace(before, ready) != ready);
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps `readiness` and the gRPC health of `services` true until `stop`; then all are not serving.
pub async fn watch(
    database: Database,
    readiness: Readiness,
    reporter: HealthReporter,
    services: Vec<&'static str>,
    stop: CancellationToken,
) {
    loop {
        let ready = tokio::select! {
            answered = database.ping() => answered && !stop.is_cancelled(),
            () = stop.cancelled() => false,
        };
        if ready != readiness.is_ready() {
            report(&reporter, &services, ready).await;
            if ready {
                tracing::info!("ready");
            } else if !stop.is_cancelled() {
                tracing::warn!(
                    "not ready: the database does not answer; calls get UNAVAILABLE until it does"
                );
            }
            readiness.set(ready);
        }
        tokio::select! {
            () = tokio::time::sleep(PING_INTERVAL) => {}
            () = stop.cancelled() => {
                report(&reporter, &services, false).await;
                readiness.set(false);
                return;
            }
        }
    }
}

/// Says that nothing is served yet: a fresh reporter claims the opposite of itself.
pub async fn start_not_serving(reporter: &HealthReporter, services: &[&'static str]) {
    report(reporter, services, false).await;
}

async fn report(reporter: &HealthReporter, services: &[&'static str], ready: bool) {
    let status = if ready {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    for name in services.iter().chain(&[""]) {
        reporter.set_service_status(*name, status).await;
    }
}
