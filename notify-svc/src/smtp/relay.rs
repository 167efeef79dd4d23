//! One mail server: its connections, and whether it may be used.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::{
    connection::{Connection, Limits},
    envelope::Envelope,
    measure, now,
    tls::Trust,
    url::MailServer,
};
use crate::domain::{
    relay::{Event, RelayState, Stand},
    reply::{Ending, Step},
};

/// Emails that one connection carries.
const MAX_CARRIED: u32 = 100;
/// How long a connection may lie idle; servers give up on them after a minute or more.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// A mail server.
pub(super) struct Relay {
    /// Host and port.
    name: Arc<str>,
    server: MailServer,
    trust: Trust,
    limits: Limits,
    /// One for each connection that may still be opened.
    places: Arc<Semaphore>,
    inner: Mutex<Inner>,
    /// Told when an email may find this server usable that did not before; the same for all servers.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    state: RelayState,
    /// An email is finding out whether the server works again.
    on_trial: bool,
    /// Connections without an email.
    parked: Vec<Connection>,
    /// Somebody will close them when their time is over.
    is_swept: bool,
}

/// Why an email cannot try a mail server now.
pub(super) enum NotNow {
    /// Until then.
    Paused(Duration),
    /// All connections carry emails, or one email is trying whether it works again.
    Busy,
}

impl Relay {
    pub(super) fn new(server: MailServer, trust: Trust, limits: Limits, changed: Arc<Notify>) -> Arc<Self> {
        let name = Arc::from(server.name());
        measure::paused(&name, false);
        Arc::new(Self {
            name,
            server,
            trust,
            limits,
            places: Arc::new(Semaphore::new(limits.connections)),
            inner: Mutex::default(),
            changed,
        })
    }

    pub(super) fn stand(&self, now: Duration) -> Stand {
        self.lock().state.stand(now)
    }

    /// Lets an email try this server, now.
    pub(super) fn admit(self: &Arc<Self>, now: Duration) -> Result<Pass, NotNow> {
        let mut inner = self.lock();
        let trial = match inner.state.stand(now) {
            Stand::Usable => false,
            Stand::OnTrial => true,
            Stand::Paused(until) => return Err(NotNow::Paused(until)),
        };
        if trial && inner.on_trial {
            return Err(NotNow::Busy);
        }
        // The connection parked last is the one that the server has most likely kept.
        let line = match inner.parked.pop() {
            Some(connection) if connection.idle_since.elapsed() < MAX_IDLE => Line::Parked(connection),
            Some(old) => Line::New(old.close()),
            None => match self.places.clone().try_acquire_owned() {
                Ok(permit) => Line::New(Place::new(self, permit)),
                Err(_full) => return Err(NotNow::Busy),
            },
        };
        inner.on_trial |= trial;
        Ok(Pass {
            turn: Turn {
                relay: self.clone(),
                trial,
            },
            line,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn park(self: &Arc<Self>, mut connection: Connection) {
        if !connection.is_reusable() || connection.carried >= MAX_CARRIED {
            return connection.retire();
        }
        connection.idle_since = Instant::now();
        let mut inner = self.lock();
        inner.parked.push(connection);
        if !std::mem::replace(&mut inner.is_swept, true) {
            tokio::spawn(self.clone().sweep());
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Closes parked connections whose time is over, until none is parked.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(MAX_IDLE).await;
            let (idle, done) = {
                let mut inner = self.lock();
                let is_idle = |connection: &mut Connection| connection.idle_since.elapsed() >= MAX_IDLE;
                let idle: Vec<Connection> = inner.parked.extract_if(.., is_idle).collect();
                inner.is_swept = !inner.parked.is_empty();
                (idle, !inner.is_swept)
            };
            idle.into_iter().for_each(Connection::retire);
            if done {
                return;
            }
        }
    }

    /// Opens a connection in `place`, and begins.
    async fn connect(
        &self,
        place: Place,
        envelope: &Envelope,
    ) -> Result<(Connection, Result<(), Ending>), Ending> {
        let established = Connection::establish(&self.server, &self.trust, self.limits, place).await;
        let mut connection = established.map_err(|ending| self.ended(envelope.email_id, ending))?;
        let begun = connection.begin(envelope).await;
        Ok((connection, begun))
    }

    /// Learns from how an email's try ended, and names this server in it.
    fn ended(&self, email_id: Uuid, ending: Ending) -> Ending {
        let (event, now) = (Event::of(&ending, email_id), now());
        let (before, after) = {
            let mut inner = self.lock();
            let before = inner.state.stand(now);
            inner.state = inner.state.after(event, now);
            (before, inner.state.stand(now))
        };
        match event {
            Event::Accepted | Event::Answered => {}
            Event::Lost | Event::Suspect(_) | Event::Fault => measure::fault(&self.name),
        }
        if before != after {
            measure::paused(&self.name, after != Stand::Usable);
        }
        if let Stand::Paused(until) = after
            && before != after
        {
            tracing::warn!(
                relay = %self.name, step = ?ending.step, code = ending.code, seconds = (until - now).as_secs(),
                "the mail server is left alone for a while"
            );
        }
        Ending {
            relay: Some(self.name.clone()),
            ..ending
        }
    }
}

/// The right of one email to try a mail server.
pub(super) struct Pass {
    turn: Turn,
    line: Line,
}

enum Line {
    Parked(Connection),
    New(Place),
}

impl Pass {
    /// Goes up to the server's 354.
    pub(super) async fn begin(self, envelope: &Envelope) -> Result<Carrier, Ending> {
        let Self { turn, line } = self;
        let relay = turn.relay.clone();
        let (mut connection, begun) = match line {
            Line::New(place) => relay.connect(place, envelope).await?,
            Line::Parked(mut connection) => match connection.begin(envelope).await {
                Err(ending) if was_given_up(&ending) => relay.connect(connection.close(), envelope).await?,
                begun => (connection, begun),
            },
        };
        if let Err(ending) = begun {
            let ending = relay.ended(envelope.email_id, ending);
            connection.reset(&ending).await;
            relay.park(connection);
            return Err(ending);
        }
        Ok(Carrier {
            turn,
            connection,
            email_id: envelope.email_id,
            passed: Passed::default(),
        })
    }
}

/// On a parked connection silence and a 421 only say that the server gave it up. So does whatever stands where MAIL is
/// refused: a server that closes what is idle may say so with any code, and that is read as the answer to what comes next. A
/// refusal that is one comes again on a new connection.
fn was_given_up(ending: &Ending) -> bool {
    match ending.step {
        Step::Compose => false,
        Step::Mail => true,
        Step::Connect | Step::Rcpt | Step::Data | Step::Body => ending.code.is_none_or(|code| code == 421),
    }
}

/// A connection that waits for the body.
pub(crate) struct Carrier {
    turn: Turn,
    connection: Connection,
    email_id: Uuid,
    pub(super) passed: Passed,
}

impl Carrier {
    /// Sends the body and waits for the last word.
    pub(super) async fn send(mut self, bytes: &[u8]) -> Ending {
        let ending = self.connection.body(bytes).await;
        let ending = self.turn.relay.ended(self.email_id, ending);
        self.turn.relay.park(self.connection);
        self.passed.behind(ending)
    }
}

/// How an email's tries at other mail servers ended, before it went on to the next.
#[derive(Debug, Default)]
pub(super) struct Passed(pub(super) Vec<Ending>);

impl Passed {
    /// The last try's end, and in its words what the others said.
    pub(super) fn behind(&self, mut last: Ending) -> Ending {
        for Ending {
            step,
            code,
            text,
            relay,
            ..
        } in &self.0
        {
            let relay = relay.as_deref().unwrap_or_default();
            let code = code.map(|code| format!("{code} ")).unwrap_or_default();
            last.text += &format!("; before that {relay} at {step:?}: {code}{text}");
        }
        last
    }
}

/// Held while an email tries a mail server; on trial, it keeps the others away.
struct Turn {
    relay: Arc<Relay>,
    trial: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.trial {
            self.relay.lock().on_trial = false;
            self.relay.changed.notify_waiters();
        }
    }
}

/// The place of one connection, from before it is opened until it is closed.
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    name: Arc<str>,
    changed: Arc<Notify>,
}

impl Place {
    fn new(relay: &Relay, permit: OwnedSemaphorePermit) -> Self {
        measure::opened(&relay.name);
        Self {
            permit: Some(permit),
            name: relay.name.clone(),
            changed: relay.changed.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        measure::closed(&self.name);
        // Whoever is told must find it free.
        drop(self.permit.take());
        self.changed.notify_waiters();
    }
}
