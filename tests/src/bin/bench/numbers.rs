//! Who invites whom. Members are numbers, and no pair is named twice, so that no send meets what an earlier one left.
//!
//! A pair is an inviter and a distance to the recipient. Each kind of traffic has distances of its own, by their
//! remainder of 4.

use std::sync::atomic::{AtomicU64, Ordering};

/// The first member's number; member ids end with it.
const FIRST: u64 = 100_000_000_000;

// The limits have 1: sql/pair.sql and sql/send_bulk.sql.
const UNIFORM: u64 = 4;
const HOT: u64 = 2;
/// Those of invitations that are there before a load begins.
pub(crate) const FILLED: u64 = 3;

/// The step between their inviters: a prime, so that each comes once before any comes twice.
pub(crate) const FILLED_STEP: u64 = 123_457;

/// One inviter in so many makes half of the skewed sends.
const HOT_SHARE: u64 = 100;

/// Hands out pairs of one database.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) members: u64,
    /// Steps so wide reach every member once before any twice, and neighbours in time are none in the tables.
    pub(crate) spread: u64,
    uniform: AtomicU64,
    hot: AtomicU64,
    limits: AtomicU64,
}

impl Numbers {
    pub(crate) fn new(members: u64) -> Self {
        Self {
            members,
            spread: spread(members),
            uniform: AtomicU64::new(0),
            hot: AtomicU64::new(0),
            limits: AtomicU64::new(1),
        }
    }

    /// A pair whose inviter is as likely as any other.
    pub(crate) fn uniform(&self) -> (u64, u64) {
        let k = self.uniform.fetch_add(1, Ordering::Relaxed);
        self.pair(k, self.members, UNIFORM)
    }

    /// A pair whose inviter is one of the few in every other case.
    pub(crate) fn skewed(&self) -> (u64, u64) {
        let k = self.hot.fetch_add(1, Ordering::Relaxed);
        if k.is_multiple_of(2) {
            self.pair(k / 2, self.members / HOT_SHARE, HOT)
        } else {
            self.uniform()
        }
    }

    /// The first of `count` numbers that no limit had.
    pub(crate) fn take(&self, count: u64) -> u64 {
        self.limits.fetch_add(count, Ordering::Relaxed)
    }

    /// How far apart the numbers of two connections are that run together: more than either uses, and never so that both
    /// are at the same inviters.
    pub(crate) fn stride(&self) -> u64 {
        20 * self.members + self.members / 17
    }

    fn pair(&self, k: u64, inviters: u64, remainder: u64) -> (u64, u64) {
        let inviter = k % inviters * self.spread % self.members;
        (inviter, (inviter + remainder + 4 * (k / inviters)) % self.members)
    }
}

/// About 0.618 of the members, and without a divisor in common with their number.
fn spread(members: u64) -> u64 {
    (members * 618 / 1_000..)
        .find(|step| divisor(*step, members) == 1)
        .expect("every prime is such a step")
}

/// The greatest common divisor.
fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        divisor(other, one % other)
    }
}

/// A member's id.
pub(crate) fn member_id(number: u64) -> String {
    format!("00000000-0000-7000-8000-{}", FIRST + number)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_pair_is_named_twice() {
        let numbers = Numbers::new(20_000);
        let mut seen = HashSet::new();
        for turn in 0..200_000 {
            let (inviter, recipient) = if turn % 2 == 0 {
                numbers.uniform()
            } else {
                numbers.skewed()
            };
            let pair = (inviter.min(recipient), inviter.max(recipient));
            assert!(inviter != recipient && seen.insert(pair), "{pair:?}");
        }
    }

    #[test]
    fn few_inviters_make_half_of_the_skewed_sends() {
        let numbers = Numbers::new(20_000);
        let mut sends = vec![0; 20_000];
        for _ in 0..100_000 {
            sends[numbers.skewed().0 as usize] += 1;
        }
        sends.sort_unstable();
        let few: i32 = sends.iter().rev().take(200).sum();
        assert!((50_000..51_000).contains(&few), "{few}");
    }
}
