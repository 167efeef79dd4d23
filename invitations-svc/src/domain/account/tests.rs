use jiff::ToSpan;
use proptest::prelude::*;

use super::*;

fn charge_at(account: &mut Account, now: Timestamp, policy: &Policy) -> bool {
    match account.charged(now, policy) {
        Ok(charged) => {
            *account = charged;
            true
        }
        Err(Spent) => false,
    }
}

fn at(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + hours.hours()
}

#[test]
fn the_day_s_quota_comes_back_exactly_a_day_later() {
    let policy = Policy {
        quota_day: 2,
        ..Policy::default()
    };
    let mut account = Account::unused(Uuid::nil());
    assert!(charge_at(&mut account, at(0), &policy));
    assert!(charge_at(&mut account, at(1), &policy));
    assert!(!charge_at(&mut account, at(24) - 1.millisecond(), &policy));
    assert!(charge_at(&mut account, at(24), &policy));
    assert!(!charge_at(&mut account, at(24), &policy));
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

#[test]
fn granted_sends_are_spent_when_the_quota_is_and_count_in_no_window() {
    let policy = Policy {
        quota_day: 1,
        ..Policy::default()
    };
    let mut account = Account {
        granted: 2,
        ..Account::unused(Uuid::nil())
    };
    for expected in [true, true, true, false] {
        assert_eq!(charge_at(&mut account, at(0), &policy), expected);
    }
    assert_eq!((account.granted, account.lifetime_sends), (0, 1));
    assert!(charge_at(&mut account, at(24), &policy));
}

/// The restrictions that strikes at these hours lead to, each with the hour of its strike.
fn ladder(hours: impl IntoIterator<Item = i64>) -> Vec<(i64, Restriction)> {
    let policy = Policy::default();
    let mut account = Account::unused(Uuid::nil());
    let mut imposed = Vec::new();
    for hour in hours {
        let (next, restriction) = account.struck(at(hour), &policy);
        account = next;
        imposed.extend(restriction.map(|restriction| (hour, restriction)));
    }
    imposed
}

#[test]
fn every_fifth_strike_restricts_one_step_further() {
    let until = |hour: i64, days: i64| Some(at(hour + 24 * days));
    let expected = [
        (4, RestrictionKind::EmailRequired, until(4, 7)),
        (9, RestrictionKind::Suspended, until(9, 7)),
        (14, RestrictionKind::Suspended, until(14, 30)),
        (19, RestrictionKind::Suspended, None),
        (24, RestrictionKind::Suspended, None),
    ]
    .map(|(hour, kind, until)| (hour, Restriction { kind, until }));
    assert_eq!(ladder(0..25), expected);
}

#[test]
fn a_strike_counts_for_180_days_and_not_an_hour_longer() {
    let days = 180 * 24;
    assert_eq!(
        ladder([0, 1, 2, 3, days]),
        [],
        "the first has just ceased to count"
    );
    assert_eq!(ladder([0, 1, 2, 3, days - 1]).len(), 1);
}

#[test]
fn strikes_do_not_make_milder_what_an_operator_imposed() {
    let policy = Policy::default();
    let mut account = Account::unused(Uuid::nil());
    let by_hand = Restriction {
        kind: RestrictionKind::Suspended,
        until: None,
    };
    account.restrict(by_hand);
    for _ in 0..5 {
        account = account.struck(at(1), &policy).0;
    }
    assert_eq!(account.restriction_at(at(1)), Some(by_hand));
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
