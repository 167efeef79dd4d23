//! Handing emails over: to one of several mail servers, or into a folder.

mod connection;
mod dialogue;
pub(crate) mod dkim;
mod envelope;
pub(crate) mod folder;
mod measure;
pub(crate) mod message;
mod relay;
mod relays;
pub(crate) mod tls;
pub(crate) mod url;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use uuid::Uuid;

use self::relay::Carrier;
pub(crate) use self::{
    connection::Limits,
    envelope::{Envelope, Sender},
    message::Letterhead,
    relays::Relays,
};
use crate::domain::reply::{Ending, Step};

/// Where emails go.
pub(crate) enum Transport {
    Smtp(Relays),
    Folder(folder::Folder),
}

/// A place that waits for the body of one email.
///
/// Dropping it sends nothing: after a 354 the server would read any command, RSET too, as text of the email, so the
/// connection is closed, and no server takes an email whose body never ended.
pub(crate) enum Open<'a> {
    Smtp(Box<Carrier>),
    Folder(&'a folder::Folder, Uuid),
}

/// Why no place is open.
#[derive(Debug)]
pub(crate) enum NotOpen {
    /// This is how the attempt ended.
    Ended(Ending),
    /// The mail servers that could take it are paused, for so long at least.
    Paused(Duration),
}

impl Transport {
    /// Goes as far as it can without sending the first byte of the body.
    pub(crate) async fn open(&self, envelope: &Envelope) -> Result<Open<'_>, NotOpen> {
        match self {
            Self::Smtp(relays) => Ok(Open::Smtp(Box::new(relays.open(envelope).await?))),
            Self::Folder(folder) => Ok(Open::Folder(folder, envelope.email_id)),
        }
    }

    /// Emails that can be handed over at once.
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Smtp(relays) => relays.capacity(),
            Self::Folder(_) => folder::AT_ONCE,
        }
    }

    /// For how long every mail server is still paused. None where an email may be tried now.
    pub(crate) fn paused_for(&self) -> Option<Duration> {
        match self {
            Self::Smtp(relays) => relays.paused_for(),
            Self::Folder(_) => None,
        }
    }
}

impl Open<'_> {
    /// Sends the body and waits for the last word.
    pub(crate) async fn send(self, bytes: &[u8]) -> Ending {
        match self {
            Self::Smtp(carrier) => carrier.send(bytes).await,
            Self::Folder(folder, email_id) => folder.write(email_id, bytes),
        }
    }
}

/// Time since this process first asked.
fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// An ending that no server's reply brought about.
fn fault(step: Step, text: impl Into<String>) -> Ending {
    Ending {
        step,
        code: None,
        enhanced: None,
        text: text.into(),
        relay: None,
    }
}
