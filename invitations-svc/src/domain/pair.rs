//! The relation of two members.

use jiff::Timestamp;
use uuid::Uuid;

use super::send_log::SendLog;

/// Two members, the smaller id first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairKey {
    /// The smaller id.
    pub lo: Uuid,
    /// The larger id.
    pub hi: Uuid,
}

impl PairKey {
    /// The key of two members, in either order.
    pub fn of(one: Uuid, other: Uuid) -> Self {
        Self {
            lo: one.min(other),
            hi: one.max(other),
        }
    }
}

/// What two members have with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Who they are.
    pub key: PairKey,
    /// The version read; 0 while there is no row.
    pub version: i64,
    /// Since when they are connected.
    pub connected_at: Option<Timestamp>,
    /// The invitation that is open, or was until it expired.
    pub open: Option<Open>,
    /// The latest sends from the smaller id to the larger.
    pub lo_sends: SendLog,
    /// The latest sends from the larger id to the smaller.
    pub hi_sends: SendLog,
}

/// Which invitation of a pair is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Its id.
    pub id: Uuid,
    /// Who sent it.
    pub inviter_id: Uuid,
    /// When it expires.
    pub until: Timestamp,
}

impl Pair {
    /// Two members who have nothing with each other.
    pub fn strangers(key: PairKey) -> Self {
        Self {
            key,
            version: 0,
            connected_at: None,
            open: None,
            lo_sends: SendLog::default(),
            hi_sends: SendLog::default(),
        }
    }

    /// The invitation that is open at `now`.
    pub fn open_at(&self, now: Timestamp) -> Option<Open> {
        self.open.filter(|open| open.until > now)
    }

    /// The sends of one of the two to the other.
    pub fn sends_from(&self, inviter_id: Uuid) -> &SendLog {
        if inviter_id == self.key.lo {
            &self.lo_sends
        } else {
            &self.hi_sends
        }
    }

    /// The sends of one of the two to the other.
    pub fn sends_from_mut(&mut self, inviter_id: Uuid) -> &mut SendLog {
        if inviter_id == self.key.lo {
            &mut self.lo_sends
        } else {
            &mut self.hi_sends
        }
    }
}
