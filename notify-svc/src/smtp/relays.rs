//! Several mail servers, in the order of preference.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};

use super::{
    NotOpen,
    connection::Limits,
    envelope::Envelope,
    now,
    relay::{Carrier, NotNow, Pass, Passed, Relay},
    tls::Trust,
    url::MailServer,
};
use crate::domain::{
    relay::{Stand, blame, goes_on},
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
    /// A server may be tried once an email ends there, or once the pause of another is over that ends in so long.
    Wait(Option<Duration>),
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
        let mut passed = Passed::default();
        loop {
            // From here on no change is missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            match self.next(&tried) {
                Next::Wait(None) => changed.await,
                Next::Wait(Some(pause)) => {
                    // Either way it looks again.
                    let _ = timeout(pause, changed).await;
                }
                Next::Try(index, pass) => {
                    tried[index] = true;
                    match pass.begin(envelope).await {
                        Ok(mut carrier) => {
                            carrier.passed = passed;
                            return Ok(carrier);
                        }
                        Err(ending) if goes_on(&ending) => passed.0.push(ending),
                        Err(ending) => return Err(NotOpen::Ended(passed.behind(ending))),
                    }
                }
                Next::Over(pause) => {
                    let last = weightiest(&mut passed.0);
                    return Err(match (last, pause) {
                        (Some(ending), Some(pause)) if ending.step == Step::Compose => NotOpen::Paused(pause),
                        (Some(ending), _) => NotOpen::Ended(passed.behind(ending)),
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
        let pause = usable_at.map(|at| at.saturating_sub(now));
        if busy {
            Next::Wait(pause)
        } else {
            Next::Over(pause)
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

/// Takes the ending that says most of what will be: first a server's own fault, which costs the email nothing, however dead
/// another server is; then the last that may be another next time, since what one server cannot do, the other may.
fn weightiest(endings: &mut Vec<Ending>) -> Option<Ending> {
    let fault = endings.iter().rposition(|ending| blame(ending).is_some());
    let passing = || endings.iter().rposition(|ending| ending.step != Step::Compose);
    let index = fault.or_else(passing).or(endings.len().checked_sub(1))?;
    Some(endings.remove(index))
}
