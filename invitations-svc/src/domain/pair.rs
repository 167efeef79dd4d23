//! The relation of two members.

use jiff::Timestamp;
use uuid::Uuid;

use super::time_log::TimeLog;

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
    /// The version read; 0 while there is no row. It counts the pair's transitions.
    pub version: i64,
    /// Since when they are connected.
    pub connected_at: Option<Timestamp>,
    /// The invitation that is open, or was until it expired.
    pub open: Option<Open>,
    /// The smaller id as the inviter of the larger.
    pub lo: Side,
    /// The larger id as the inviter of the smaller.
    pub hi: Side,
}

/// What one of two members may do as the inviter of the other. It belongs to the two, not to an invitation, so that no
/// withdrawal and no expiry washes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// The latest sends.
    pub sends: TimeLog,
    /// Whether the other one declined, and has not thought better of it.
    pub barred: bool,
    /// The other one's last decline that counted as a strike.
    pub struck_at: Option<Timestamp>,
    /// Whether an invitation was withdrawn, so that the next one needs the other's address.
    pub email_required: bool,
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
            lo: Side::default(),
            hi: Side::default(),
        }
    }

    /// The two begin afresh. Only who struck whom is remembered, so that nobody strikes twice.
    pub fn afresh(&self) -> Self {
        let side = |side: &Side| Side {
            struck_at: side.struck_at,
            ..Side::default()
        };
        Self {
            version: self.version,
            lo: side(&self.lo),
            hi: side(&self.hi),
            ..Self::strangers(self.key)
        }
    }

    /// The invitation that is open at `now`.
    pub fn open_at(&self, now: Timestamp) -> Option<Open> {
        self.open.filter(|open| open.until > now)
    }

    /// Without `id` being open.
    pub fn closed(&self, id: Uuid) -> Self {
        Self {
            open: self.open.filter(|open| open.id != id),
            ..self.clone()
        }
    }

    /// One of the two as the inviter of the other.
    pub fn from(&self, inviter_id: Uuid) -> &Side {
        if inviter_id == self.key.lo {
            &self.lo
        } else {
            &self.hi
        }
    }

    /// One of the two as the inviter of the other.
    pub fn from_mut(&mut self, inviter_id: Uuid) -> &mut Side {
        if inviter_id == self.key.lo {
            &mut self.lo
        } else {
            &mut self.hi
        }
    }
}
