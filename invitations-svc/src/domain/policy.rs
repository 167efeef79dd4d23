//! Every number of the rules.

use std::time::Duration;

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
    /// Sends of one inviter to one recipient in `pair_window`.
    pub pair_sends: usize,
    /// The window of `pair_sends`.
    pub pair_window: Duration,
    /// How long an invitation stays open after its last send.
    pub open_for: Duration,
    /// A resend owes no initial email while the one before is younger.
    pub email_pause: Duration,
    /// How long a request's first answer is kept for its repetitions.
    pub request_memory: Duration,
}

impl Policy {
    /// The day of `quota_day`.
    pub const DAY: Duration = DAY;
    /// The week of `quota_week`.
    pub const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            quota_day: 50,
            quota_week: 100,
            quota_lifetime: 3_000,
            pair_sends: 3,
            pair_window: 180 * DAY,
            open_for: 180 * DAY,
            email_pause: DAY,
            request_memory: DAY,
        }
    }
}
