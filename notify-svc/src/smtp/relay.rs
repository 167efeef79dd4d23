//! The mail server with its parked connections. Each email has a connection to itself while it is handed over, so
//! there are never more than emails are sent at once.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    connection::Connection,
    message::Message,
    url::{MailServer, Tls},
};
use crate::domain::reply::{Ending, Step};

/// Emails that one connection carries.
const MAX_CARRIED: u32 = 100;
/// How long a connection may lie idle; servers give up on them after a minute or more.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// How long to wait for the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// To connect, and for each command.
    pub(crate) command: Duration,
    /// For its last word on an email.
    pub(crate) final_reply: Duration,
}

/// A mail server.
pub(crate) struct Relay {
    server: MailServer,
    limits: Limits,
    parked: Mutex<Vec<Connection>>,
}

impl Relay {
    pub(crate) fn new(server: MailServer, limits: Limits) -> Result<Self, String> {
        if server.tls == Tls::None && server.credentials.is_some() {
            return Err("credentials are never sent in clear".to_owned());
        }
        Ok(Self {
            server,
            limits,
            parked: Mutex::default(),
        })
    }

    /// A connection that waits for the body.
    pub(super) async fn open(&self, message: &Message) -> Result<Connection, Ending> {
        if let Some(mut connection) = self.unpark() {
            match connection.begin(message).await {
                Ok(()) => return Ok(connection),
                // A reply is about this email; silence and a 421 only say that the server gave the connection up
                // while it lay idle.
                Err(ending)
                    if ending.code.is_some_and(|code| code != 421) || ending.step == Step::Compose =>
                {
                    return Err(self.refused(connection, ending).await);
                }
                Err(_given_up) => {}
            }
        }
        let mut connection = Connection::establish(&self.server, self.limits).await?;
        match connection.begin(message).await {
            Ok(()) => Ok(connection),
            Err(ending) => Err(self.refused(connection, ending).await),
        }
    }

    /// Sends the body and waits for the last word.
    pub(super) async fn send(&self, mut connection: Connection, message: &Message) -> Ending {
        let ending = connection.body(message).await;
        self.park(connection);
        ending
    }

    async fn refused(&self, mut connection: Connection, ending: Ending) -> Ending {
        if connection.reset(&ending).await {
            self.park(connection);
        }
        ending
    }

    fn park(&self, mut connection: Connection) {
        if connection.is_reusable() && connection.carried < MAX_CARRIED {
            connection.idle_since = Instant::now();
            self.parked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }

    /// The connection parked last that is still fresh; those parked before it are older and stay for the next.
    fn unpark(&self) -> Option<Connection> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.retain(|connection| connection.idle_since.elapsed() < MAX_IDLE);
        parked.pop()
    }
}
