//! Several mail servers, in the order of preference.

use std::{pin::pin, sync::Arc, time::Instant};

use tokio::sync::Notify;

use super::{
    NotOpen,
    connection::Limits,
    envelope::Envelope,
    relay::{Carrier, NotNow, Pass, Relay},
    tls::Trust,
    url::MailServer,
};
use crate::domain::relay::goes_on;

/// The mail servers. An email goes to the first that is neither paused nor full.
pub(crate) struct Relays {
    relays: Vec<Arc<Relay>>,
    changed: Arc<Notify>,
}

/// What an email can do next.
enum Next {
    Try(usize, Pass),
    /// A server may be tried once an email ends there.
    Wait,
    /// Those that it has not tried are paused.
    Over,
}

impl Relays {
    /// At least one server, the preferred one first.
    pub(crate) fn new(servers: Vec<MailServer>, trust: &Trust, limits: Limits) -> Result<Self, &'static str> {
        if servers.is_empty() {
            return Err("must name a mail server");
        }
        let changed = Arc::new(Notify::new());
        let relays = servers
            .into_iter()
            .map(|server| Relay::new(server, trust.clone(), limits, changed.clone()))
            .collect();
        Ok(Self { relays, changed })
    }

    /// A connection that waits for the body, at the first server that lets the email get so far.
    pub(super) async fn open(&self, envelope: &Envelope) -> Result<Carrier, NotOpen> {
        let mut tried = vec![false; self.relays.len()];
        let mut last = None;
        loop {
            // From here on no change is missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            match self.next(&tried) {
                Next::Wait => changed.await,
                Next::Try(index, pass) => {
                    tried[index] = true;
                    match pass.begin(envelope).await {
                        Ok(carrier) => return Ok(carrier),
                        Err(ending) if goes_on(&ending) => last = Some(ending),
                        Err(ending) => return Err(NotOpen::Ended(ending)),
                    }
                }
                Next::Over => return Err(last.map_or(NotOpen::Paused, NotOpen::Ended)),
            }
        }
    }

    fn next(&self, tried: &[bool]) -> Next {
        let mut busy = false;
        for (index, relay) in self.relays.iter().enumerate().filter(|(index, _)| !tried[*index]) {
            match relay.admit() {
                Ok(pass) => return Next::Try(index, pass),
                Err(NotNow::Busy) => busy = true,
                Err(NotNow::Paused) => {}
            }
        }
        if busy { Next::Wait } else { Next::Over }
    }

    /// The end of the first pause where every server is paused.
    pub(super) fn usable_at(&self) -> Option<Instant> {
        let ends = self.relays.iter().map(|relay| relay.paused_until());
        ends.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}
