//! What a member spent.

use jiff::Timestamp;
use uuid::Uuid;

use super::{policy::Policy, refusal::Refusal, send_log::SendLog};

/// A member's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub member_id: Uuid,
    /// The version read; 0 until the first send.
    pub version: i64,
    /// The latest sends.
    pub sends: SendLog,
    /// All sends ever.
    pub lifetime_sends: usize,
}

impl Account {
    /// The account of a member who never sent.
    pub fn unused(member_id: Uuid) -> Self {
        Self {
            member_id,
            version: 0,
            sends: SendLog::default(),
            lifetime_sends: 0,
        }
    }

    /// The account after one more send, if the quota allows it in every window.
    pub fn charged(&self, now: Timestamp, policy: &Policy) -> Result<Self, Refusal> {
        let full = self.sends.count(Policy::DAY, now) >= policy.quota_day
            || self.sends.count(Policy::WEEK, now) >= policy.quota_week
            || self.lifetime_sends >= policy.quota_lifetime;
        if full {
            return Err(Refusal::InvitationLimitReached);
        }
        let mut account = self.clone();
        account.sends.record(now, policy.quota_day.max(policy.quota_week));
        account.lifetime_sends += 1;
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;

    fn charge_at(account: &mut Account, now: Timestamp, policy: &Policy) -> bool {
        match account.charged(now, policy) {
            Ok(charged) => {
                *account = charged;
                true
            }
            Err(refusal) => {
                assert_eq!(refusal, Refusal::InvitationLimitReached);
                false
            }
        }
    }

    #[test]
    fn the_day_s_quota_comes_back_exactly_a_day_later() {
        let policy = Policy {
            quota_day: 2,
            ..Policy::default()
        };
        let mut account = Account::unused(Uuid::nil());
        let start = Timestamp::UNIX_EPOCH;
        assert!(charge_at(&mut account, start, &policy));
        assert!(charge_at(&mut account, start + 1.hour(), &policy));
        assert!(!charge_at(
            &mut account,
            start + 24.hours() - 1.millisecond(),
            &policy
        ));
        assert!(charge_at(&mut account, start + 24.hours(), &policy));
        assert!(!charge_at(&mut account, start + 24.hours(), &policy));
    }

    #[test]
    fn the_lifetime_quota_never_comes_back() {
        let policy = Policy {
            quota_lifetime: 1,
            ..Policy::default()
        };
        let mut account = Account::unused(Uuid::nil());
        assert!(charge_at(&mut account, Timestamp::UNIX_EPOCH, &policy));
        assert!(!charge_at(&mut account, Timestamp::MAX, &policy));
    }

    proptest! {
        /// However the clock steps, no window of granted sends ever holds more than its limit.
        #[test]
        fn no_window_ever_holds_more_than_its_limit(
            steps in prop::collection::vec(-2_000_000i64..90_000_000, 1..200),
            day in 1usize..6,
            week in 1usize..12,
        ) {
            let policy = Policy { quota_day: day, quota_week: week, ..Policy::default() };
            let mut account = Account::unused(Uuid::nil());
            let mut now = 10_000_000_000i64;
            let mut granted: Vec<i64> = Vec::new();
            for step in steps {
                now += step;
                let at = Timestamp::from_millisecond(now).expect("in range");
                if charge_at(&mut account, at, &policy) {
                    granted.push(now);
                    let within = |length: i64| granted.iter().filter(|at| **at > now - length).count();
                    prop_assert!(within(86_400_000) <= day);
                    prop_assert!(within(7 * 86_400_000) <= week);
                }
            }
            prop_assert_eq!(account.lifetime_sends, granted.len());
        }
    }
}
