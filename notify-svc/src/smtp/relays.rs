//! Several mail servers, in the order of preference.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    NotOpen,
    connection::Limits,
    envelope::Envelope,
    now,
    relay::{Carrier, NotNow, Pass, Relay},
    tls::Trust,
    url::MailServer,
};
use crate::domain::{
    relay::{Stand, goes_on},
    reply::{Ending, Step},
};

/// The mail servers. An email goes to the first that is neither paused nor full.
pub(crate) struct Relays {
    relays: Vec<Arc<Relay>>,
    /// To each.
    connections: usize,
    changed: Arc<Notify>,
}

/// What an email can do next.
enum Next {
    Try(usize, Pass),
    /// A server may be tried once an email ends there.
    Wait,
    /// Those that it has not tried are paused, for so long at least; none where it has tried all.
    Over(Option<Duration>),
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
        Ok(Self {
            relays,
            connections: limits.connections,
            changed,
        })
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
                        Err(ending) if goes_on(&ending) => last = Some(weightier(last, ending)),
                        Err(ending) => return Err(NotOpen::Ended(ending)),
                    }
                }
                Next::Over(pause) => {
                    return Err(match (last, pause) {
                        (Some(ending), Some(pause)) if ending.step == Step::Compose => NotOpen::Paused(pause),
                        (Some(ending), _) => NotOpen::Ended(ending),
                        (None, pause) => NotOpen::Paused(pause.unwrap_or_default()),
                    });
                }
            }
        }
    }

    fn next(&self, tried: &[bool]) -> Next {
        let now = now();
        let (mut busy, mut usable_at) = (false, None);
        for (index, relay) in self.relays.iter().enumerate().filter(|(index, _)| !tried[*index]) {
            match relay.admit(now) {
                Ok(pass) => return Next::Try(index, pass),
                Err(NotNow::Busy) => busy = true,
                Err(NotNow::Paused(until)) => {
                    usable_at = Some(usable_at.map_or(until, |earliest: Duration| earliest.min(until)));
                }
            }
        }
        if busy {
            Next::Wait
        } else {
            Next::Over(usable_at.map(|at| at.saturating_sub(now)))
        }
    }

    /// Connections to all servers.
    pub(super) fn capacity(&self) -> usize {
        self.connections * self.relays.len()
    }

    /// For how long every server is still paused.
    pub(super) fn paused_for(&self) -> Option<Duration> {
        let now = now();
        let ends = self.relays.iter().map(|relay| match relay.stand(now) {
            Stand::Paused(until) => Some(until.saturating_sub(now)),
            Stand::Usable | Stand::OnTrial => None,
        });
        ends.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

/// Of two servers' endings the one that may be another next time: what one server cannot do, the other may.
fn weightier(before: Option<Ending>, ending: Ending) -> Ending {
    match before {
        Some(before) if ending.step == Step::Compose => before,
        Some(_) | None => ending,
    }
}
