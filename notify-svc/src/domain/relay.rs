//! When a mail server is left alone, and for how long.

use std::time::Duration;

use uuid::Uuid;

use super::reply::{Ending, Enhanced, Step};

/// First and longest pause after a fault of the mail server's own; each is twice the one before.
const FAULT_PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15 * 60));
/// First and longest pause of a mail server to which connections are lost.
const LOST_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// Connections that are lost in a row before there is a pause.
const MAX_LOST: u32 = 5;

/// Whose fault an ending is that neither the email nor its reader need have brought about. It burns no attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The mail server's, or ours as its client or as the sender.
    Relay,
    /// The same, unless it means this email: a server that is content with everything else says so, too.
    RelayOrEmail,
}

/// The relay's fault is 421, what refuses TLS or the login, 5.7.x and a bad sender's address (5.1.7, 5.1.8). At MAIL, where
/// no reader is named yet, it is any 5xx: surely so where it tells of rules or of addresses (5.7.x, 5.1.x, 5.2.1); other
/// ones may be about a parameter that few emails have. Once a reader is named, or the text is known, 5.7.x may be meant for
/// one email.
///
/// 530 and its like come later, too, where a server asks for a login that we have none for (RFC 4954, section 6).
pub(crate) fn blame(ending: &Ending) -> Option<Blame> {
    let is = |named: fn(Enhanced) -> bool| ending.enhanced.is_some_and(named);
    match (ending.step, ending.code) {
        (Step::Compose, _) | (_, Some(..400)) => None,
        (_, Some(421)) | (Step::Connect, Some(454)) => Some(Blame::Relay),
        (Step::Connect | Step::Mail, Some(530 | 534 | 535 | 538)) => Some(Blame::Relay),
        (Step::Connect, _) => is(Enhanced::is_about_us).then_some(Blame::Relay),
        (Step::Mail, _) if is(Enhanced::is_about_us) || is(Enhanced::names_a_dead_mailbox) => {
            Some(Blame::Relay)
        }
        (Step::Mail, code) => code
            .is_some_and(|code| code >= 500)
            .then_some(Blame::RelayOrEmail),
        (Step::Rcpt | Step::Data | Step::Body, Some(530 | 534 | 535 | 538)) => Some(Blame::RelayOrEmail),
        (Step::Rcpt | Step::Data | Step::Body, _) => is(Enhanced::is_about_us).then_some(Blame::RelayOrEmail),
    }
}

/// What an ending tells of the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It took an email.
    Accepted,
    /// It answered, and that was about the email.
    Answered,
    /// It let nobody in, fell silent, or the connection broke.
    Lost,
    /// A fault that this email alone may have met.
    Suspect(Uuid),
    /// A fault of its own.
    Fault,
}

impl Event {
    /// What this ending of the email's try tells.
    pub(crate) fn of(ending: &Ending, email_id: Uuid) -> Self {
        match blame(ending) {
            Some(Blame::Relay) => return Self::Fault,
            Some(Blame::RelayOrEmail) => return Self::Suspect(email_id),
            None => {}
        }
        match (ending.step, ending.code) {
            (Step::Compose, _) => Self::Answered,
            (Step::Connect, _) | (_, None) => Self::Lost,
            (Step::Body, Some(200..300)) => Self::Accepted,
            (Step::Mail | Step::Rcpt | Step::Data | Step::Body, Some(_)) => Self::Answered,
        }
    }
}

/// Whether an email that ended so before its body may go to the next mail server at once: what this one said is not about
/// the email, or only says what this one cannot do.
pub(crate) fn goes_on(ending: &Ending) -> bool {
    let step = ending.step;
    step < Step::Body && (step == Step::Connect || ending.code.is_none() || blame(ending).is_some())
}

/// What is known of a mail server. Times are told since some moment that stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RelayState {
    /// Faults of its own since it took an email.
    faults: u32,
    /// The email that met what may be a fault of the server's, none of which it took since.
    suspect: Option<Uuid>,
    /// Connections lost in a row.
    lost: u32,
    /// End of its latest pause; none once it has shown that it works again.
    paused_until: Option<Duration>,
}

/// Who may use a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    Usable,
    /// Its pause is over. One email at a time may find out whether it works.
    OnTrial,
    Paused(Duration),
}

impl RelayState {
    pub(crate) fn stand(self, now: Duration) -> Stand {
        match self.paused_until {
            None => Stand::Usable,
            Some(until) if until <= now => Stand::OnTrial,
            Some(until) => Stand::Paused(until),
        }
    }

    /// What ends during a pause was begun before it and tells nothing new: sixteen emails that meet the same fault are
    /// one fault. What one email meets again and again is no fault until another meets it, too: otherwise one member's
    /// text could stop everybody's.
    pub(crate) fn after(self, event: Event, now: Duration) -> Self {
        match (self.stand(now), event) {
            (Stand::Paused(_), _) => self,
            (Stand::Usable | Stand::OnTrial, Event::Accepted) => Self::default(),
            (Stand::Usable | Stand::OnTrial, Event::Answered) => Self {
                lost: 0,
                paused_until: self.paused_until.filter(|_| self.faults > 0),
                ..self
            },
            (Stand::Usable | Stand::OnTrial, Event::Suspect(email_id))
                if self.suspect.is_none_or(|suspect| suspect == email_id) =>
            {
                Self {
                    suspect: Some(email_id),
                    lost: 0,
                    ..self
                }
            }
            (Stand::Usable | Stand::OnTrial, Event::Suspect(_) | Event::Fault) => Self {
                faults: self.faults.saturating_add(1),
                paused_until: Some(now + pause(FAULT_PAUSE, self.faults)),
                ..self
            },
            (Stand::Usable | Stand::OnTrial, Event::Lost) => {
                let lost = self.lost.saturating_add(1);
                Self {
                    lost,
                    paused_until: match lost.checked_sub(MAX_LOST) {
                        Some(before) => Some(now + pause(LOST_PAUSE, before)),
                        None => self.paused_until,
                    },
                    ..self
                }
            }
        }
    }
}

/// A pause after `before` others.
fn pause((first, longest): (Duration, Duration), before: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(before)).min(longest)
}

#[cfg(test)]
mod tests;
