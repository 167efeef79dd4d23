//! Reading the notifications that the mail server delivers into a folder.
//!
//! A message is moved once what it says is committed, so a process that dies in between reads it again, and so do two
//! processes on one folder: the second time it says nothing new.

use std::time::Duration;

use shell::{
    clock::Clock,
    postgres::{Database, DatabaseError},
};
use tokio_util::sync::CancellationToken;

use super::courier::deadline;
use crate::{
    domain::bounce,
    maildir::{Maildir, Waiting},
    store::{self, Noted},
};

/// Longest time between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// What the worker works with.
pub(crate) struct Bounces {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) folder: Maildir,
}

impl Bounces {
    /// Reads until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.folder.waiting() {
                Ok(waiting) => self.read(&waiting, &stop).await,
                Err(error) => tracing::warn!(%error, "cannot look into the folder of notifications"),
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE.mul_f64(rand::random_range(0.5..1.0))) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn read(&self, waiting: &[Waiting], stop: &CancellationToken) {
        for message in waiting {
            if stop.is_cancelled() {
                return;
            }
            let file = message.path().display();
            match self.read_one(message).await {
                Ok(()) => {}
                Err(Fault::Database(error)) => {
                    tracing::warn!(%error, "notifications wait until the database takes them");
                    return;
                }
                Err(Fault::Folder(error)) => {
                    tracing::warn!(%error, %file, "cannot read or move a notification; will try again");
                }
            }
        }
    }

    async fn read_one(&self, message: &Waiting) -> Result<(), Fault> {
        // One byte more than is read shows that it is too long.
        let Some(bytes) = message.read(bounce::MAX_BYTES as u64 + 1)? else {
            return Ok(());
        };
        match bounce::read(&bytes) {
            Ok(notification) => {
                let now = self.clock.now();
                let work = move |connection: &mut _| store::note_bounce(connection, &notification, now);
                count(self.database.run(deadline(), work).await?);
            }
            Err(why) => {
                let file = message.path().display();
                tracing::warn!(%file, %why, "a message in the folder is no notification that can be read");
                metrics::counter!("bounces_total", "result" => "unreadable").increment(1);
            }
        }
        Ok(self.folder.seen(message)?)
    }
}

fn count(noted: Noted) {
    let result = match noted {
        Noted::Foreign => "foreign",
        Noted::Recorded {
            suppressed: false, ..
        } => "recorded",
        Noted::Recorded { suppressed: true, .. } => "suppressed",
    };
    metrics::counter!("bounces_total", "result" => result).increment(1);
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Folder(#[from] std::io::Error),
}
