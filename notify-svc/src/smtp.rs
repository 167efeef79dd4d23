//! Handing emails over: to a mail server, or into a folder.

mod connection;
pub(crate) mod folder;
pub(crate) mod message;
mod relay;
pub(crate) mod url;

use self::{connection::Connection, message::Message};
pub(crate) use self::{
    message::Letterhead,
    relay::{Limits, Relay},
};
use crate::domain::reply::{Ending, Step};

/// Where emails go.
pub(crate) enum Transport {
    Smtp(Relay),
    Folder(folder::Folder),
}

/// A place that waits for the body of one email.
///
/// Dropping it sends nothing: after a 354 the server would read any command, RSET too, as text of the email, so the
/// connection is closed, and no server takes an email whose body never ended.
pub(crate) enum Open<'a> {
    Smtp(&'a Relay, Box<Connection>),
    Folder(&'a folder::Folder),
}

impl Transport {
    /// Goes as far as it can without sending the first byte of the body.
    pub(crate) async fn open(&self, message: &Message) -> Result<Open<'_>, Ending> {
        match self {
            Self::Smtp(relay) => relay
                .open(message)
                .await
                .map(|connection| Open::Smtp(relay, Box::new(connection))),
            Self::Folder(folder) => Ok(Open::Folder(folder)),
        }
    }
}

impl Open<'_> {
    /// Sends the body and waits for the last word.
    pub(crate) async fn send(self, message: &Message) -> Ending {
        match self {
            Self::Smtp(relay, connection) => relay.send(*connection, message).await,
            Self::Folder(folder) => folder.write(message),
        }
    }
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
