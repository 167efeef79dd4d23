//! Erases what is kept no longer: the texts and histories of emails that were queued long ago, and who did what to them.
//! Several processes do no harm: each skips what another has in hand.

use std::time::Duration;

use jiff::Timestamp;
use shell::{
    clock::Clock,
    postgres::{Database, DatabaseError},
};
use tokio_util::sync::CancellationToken;

use super::courier::deadline;
use crate::store;

/// Longest time between two looks.
const PAUSE: Duration = Duration::from_secs(10);

/// What the worker works with.
pub(crate) struct Retention {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    /// How long things are kept.
    pub(crate) kept: Duration,
}

impl Retention {
    /// Works until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.sweep(&stop).await {
                tracing::warn!(%error, "old texts are kept for now; will try again");
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE.mul_f64(rand::random_range(0.5..1.0))) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn sweep(&self, stop: &CancellationToken) -> Result<(), DatabaseError> {
        self.drain("letter", store::erase_letters, stop).await?;
        self.drain("act", store::erase_acts, stop).await
    }

    async fn drain(
        &self,
        what: &'static str,
        erase: store::Erase,
        stop: &CancellationToken,
    ) -> Result<(), DatabaseError> {
        let now = self.clock.now();
        let before = now.saturating_sub(self.kept).unwrap_or(Timestamp::MIN);
        loop {
            let work = move |connection: &mut _| erase(connection, before);
            let count = self.database.run(deadline(), work).await?;
            metrics::counter!("retention_forgotten_total", "what" => what).increment(count.unsigned_abs());
            if count == 0 || stop.is_cancelled() {
                return Ok(());
            }
        }
    }
}
