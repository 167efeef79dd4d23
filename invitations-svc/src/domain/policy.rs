//! Every number of the rules.

use std::time::Duration;

use super::account::RestrictionKind;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The numbers that the rules judge by. Their defaults are the contract's.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Sends of one inviter in any 24 hours.
    pub quota_day: usize,
    /// Sends of one inviter in any 7 days.
    pub quota_week: usize,
    /// Sends of one inviter ever.
    pub quota_lifetime: usize,
    /// Invitations of one inviter that wait for an answer.
    pub quota_outstanding: usize,
    /// Connections of one member.
    pub max_connections: usize,
    /// Sends of one inviter to one recipient in `pair_window`.
    pub pair_sends: usize,
    /// The window of `pair_sends`.
    pub pair_window: Duration,
    /// How long an invitation stays open after its last send.
    pub open_for: Duration,
    /// A resend owes no initial email while the one before is younger.
    pub email_pause: Duration,
    /// When reminders are due, counted from the first send; ascending.
    pub reminders_after: Vec<Duration>,
    /// Replies to one invitation.
    pub max_replies: usize,
    /// What a send meets whose recipient declined the inviter, or accepts no invitations.
    pub after_decline: AfterDecline,
    /// Strikes that lead to the next restriction.
    pub strikes: usize,
    /// How long a strike counts.
    pub strike_window: Duration,
    /// The restrictions, one harder than the other; the last one stands for all that follow. Never empty.
    pub ladder: Vec<Rung>,
    /// How long a request's first answer is kept for its repetitions.
    pub request_memory: Duration,
}

/// What a send meets whose recipient declined the inviter, or accepts no invitations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterDecline {
    /// One refusal for all hidden causes.
    Refuse,
    /// It looks sent and reaches nobody.
    Silent,
}

/// One step of the ladder of restrictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// How the member is restricted.
    pub kind: RestrictionKind,
    /// For how long; none means until an operator lifts it.
    pub length: Option<Duration>,
}

impl Policy {
    /// The day of `quota_day`.
    pub const DAY: Duration = DAY;
    /// The week of `quota_week`.
    pub const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// The restriction that follows `steps` earlier ones.
    pub fn rung(&self, steps: usize) -> Rung {
        let last = self.ladder.last().expect("the ladder has a rung");
        *self.ladder.get(steps).unwrap_or(last)
    }
}

impl Default for Policy {
    fn default() -> Self {
        let rung = |kind, days: Option<u32>| Rung {
            kind,
            length: days.map(|days| days * DAY),
        };
        Self {
            quota_day: 50,
            quota_week: 100,
            quota_lifetime: 3_000,
            quota_outstanding: 500,
            max_connections: 30_000,
            pair_sends: 3,
            pair_window: 180 * DAY,
            open_for: 180 * DAY,
            email_pause: DAY,
            reminders_after: vec![7 * DAY, 21 * DAY],
            max_replies: 10,
            after_decline: AfterDecline::Refuse,
            strikes: 5,
            strike_window: 180 * DAY,
            ladder: vec![
                rung(RestrictionKind::EmailRequired, Some(7)),
                rung(RestrictionKind::Suspended, Some(7)),
                rung(RestrictionKind::Suspended, Some(30)),
                rung(RestrictionKind::Suspended, None),
            ],
            request_memory: DAY,
        }
    }
}
