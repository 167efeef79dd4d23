//! What a member spent, and what restricts them.

use jiff::Timestamp;
use shell::clock::after;
use uuid::Uuid;

use super::{
    policy::{Policy, Rung},
    time_log::TimeLog,
};

/// A member's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub member_id: Uuid,
    /// The version read; 0 until the first change.
    pub version: i64,
    /// Whether the member was erased.
    pub erased: bool,
    /// The latest sends.
    pub sends: TimeLog,
    /// All sends ever that the quota paid for.
    pub lifetime_sends: usize,
    /// Granted sends that are left.
    pub granted: usize,
    /// Sent invitations that are pending, those included whose time ran out and no worker noted it yet.
    pub outstanding: usize,
    /// How many of `outstanding` have run out; read only where it could make a difference.
    pub overdue: usize,
    /// Connections.
    pub connections: usize,
    /// Strikes since the last restriction began.
    pub strikes: TimeLog,
    /// How many restrictions strikes have led to.
    pub ladder_step: usize,
    /// The last restriction; it may have ended.
    pub restriction: Option<Restriction>,
}

/// What restricts a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restriction {
    /// How.
    pub kind: RestrictionKind,
    /// Until when; none means until an operator lifts it.
    pub until: Option<Timestamp>,
}

/// How a member is restricted; the later, the harder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RestrictionKind {
    /// Every invitation needs the recipient's address.
    EmailRequired,
    /// No invitations.
    Suspended,
}

/// The quota is spent. Which limit is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent;

impl Account {
    /// The account of a member who never did anything.
    pub fn unused(member_id: Uuid) -> Self {
        Self {
            member_id,
            version: 0,
            erased: false,
            sends: TimeLog::default(),
            lifetime_sends: 0,
            granted: 0,
            outstanding: 0,
            overdue: 0,
            connections: 0,
            strikes: TimeLog::default(),
            ladder_step: 0,
            restriction: None,
        }
    }

    /// What restricts the member at `now`.
    pub fn restriction_at(&self, now: Timestamp) -> Option<Restriction> {
        self.restriction
            .filter(|restriction| restriction.until.is_none_or(|until| until > now))
    }

    /// How the member is restricted at `now`.
    pub fn restricted(&self, now: Timestamp) -> Option<RestrictionKind> {
        self.restriction_at(now).map(|restriction| restriction.kind)
    }

    /// Sent invitations that wait for an answer.
    pub fn waiting(&self) -> usize {
        self.outstanding.saturating_sub(self.overdue)
    }

    /// The account after one more send, if the quota allows it in every window, or a granted send is left.
    pub fn charged(&self, now: Timestamp, policy: &Policy) -> Result<Self, Spent> {
        let full = self.sends.count(Policy::DAY, now) >= policy.quota_day
            || self.sends.count(Policy::WEEK, now) >= policy.quota_week
            || self.lifetime_sends >= policy.quota_lifetime;
        let mut account = self.clone();
        if !full {
            account.sends.record(now, policy.quota_day.max(policy.quota_week));
            account.lifetime_sends += 1;
            Ok(account)
        } else if self.granted > 0 {
            account.granted -= 1;
            Ok(account)
        } else {
            Err(Spent)
        }
    }

    /// The account with one invitation less that is pending.
    pub fn with_one_answered(&self) -> Self {
        Self {
            outstanding: self.outstanding.saturating_sub(1),
            ..self.clone()
        }
    }

    /// The account with one invitation less whose time ran out.
    pub fn with_one_expired(&self) -> Self {
        Self {
            overdue: self.overdue.saturating_sub(1),
            ..self.with_one_answered()
        }
    }

    /// The account after a strike, and whether that restricted the member one step further.
    pub fn struck(&self, now: Timestamp, policy: &Policy) -> (Self, Option<Restriction>) {
        let mut account = self.clone();
        account.strikes.record(now, policy.strikes);
        if account.strikes.count(policy.strike_window, now) < policy.strikes {
            return (account, None);
        }
        let Rung { kind, length } = policy.rung(self.ladder_step);
        let next = Restriction {
            kind,
            until: length.map(|length| after(now, length)),
        };
        // What an operator imposed is not made milder by more strikes.
        let held = self.restriction_at(now).filter(|held| held.outweighs(next));
        account.ladder_step += 1;
        account.restrict(held.unwrap_or(next));
        (account, Some(held.unwrap_or(next)))
    }

    /// Begins a restriction; strikes count from here.
    pub fn restrict(&mut self, restriction: Restriction) {
        self.restriction = Some(restriction);
        self.strikes = TimeLog::default();
    }
}

impl Restriction {
    /// For the audit log.
    pub fn in_words(self) -> String {
        let kind = match self.kind {
            RestrictionKind::EmailRequired => "every invitation needs the recipient's address",
            RestrictionKind::Suspended => "suspended",
        };
        match self.until {
            Some(until) => format!("{kind} until {until}"),
            None => format!("{kind} until lifted"),
        }
    }

    fn outweighs(self, other: Self) -> bool {
        let end = |restriction: Self| restriction.until.unwrap_or(Timestamp::MAX);
        (self.kind, end(self)) > (other.kind, end(other))
    }
}

#[cfg(test)]
mod tests;
