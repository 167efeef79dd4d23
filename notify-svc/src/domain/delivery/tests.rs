use super::*;
use crate::domain::reply::Step;

/// Kinds that are sent once more after a doubt.
const RESENT: [Kind; 3] = [Kind::Initial, Kind::Acceptance, Kind::Reply];

fn policy() -> Policy {
    let minutes = [1, 5, 30, 120, 360, 1_440];
    Policy {
        retry_delays: minutes.map(|m| Duration::from_secs(m * 60)).to_vec(),
        initial_deadline: Duration::from_secs(48 * 3_600),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

fn been(failures: i16, doubted: bool) -> Progress {
    Progress { failures, doubted }
}

fn judged(kind: Kind, progress: Progress, verdict: Verdict) -> Move {
    after_attempt(kind, progress, verdict, at(0), &policy())
}

#[test]
fn six_waits_and_then_it_is_dead() {
    for kind in Kind::ALL {
        let mut progress = Progress::default();
        let mut now = at(0);
        for minutes in [1, 5, 30, 120, 360, 1_440] {
            let Move::Wait {
                run_at,
                progress: next,
            } = after_attempt(kind, progress, Verdict::Delayed, now, &policy())
            else {
                panic!("waits after failure {}", progress.failures);
            };
            assert_eq!(run_at.duration_since(now).as_secs(), minutes * 60);
            (now, progress) = (run_at, next);
        }
        assert_eq!(
            after_attempt(kind, progress, Verdict::Delayed, now, &policy()),
            Move::Close(State::Dead)
        );
    }
}

#[test]
fn a_doubt_is_resent_once_and_burns_no_attempt() {
    let again = Move::Wait {
        run_at: at(0),
        progress: been(2, true),
    };
    let done = Move::Close(State::Uncertain);
    for kind in RESENT {
        assert_eq!(judged(kind, been(2, false), Verdict::Unknown), again);
        assert_eq!(after_lease(kind, Phase::Body, been(2, false), at(0)), again);
        assert_eq!(judged(kind, been(2, true), Verdict::Unknown), done);
        assert_eq!(after_lease(kind, Phase::Body, been(2, true), at(0)), done);
    }
}

#[test]
fn a_reminder_in_doubt_counts_as_sent() {
    let sent = Move::Close(State::Sent);
    for progress in [been(0, false), been(6, false)] {
        assert_eq!(judged(Kind::Reminder, progress, Verdict::Unknown), sent);
        assert_eq!(after_lease(Kind::Reminder, Phase::Body, progress, at(0)), sent);
    }
}

#[test]
fn the_history_says_which_outcome_is_in_doubt() {
    let check = |kind, verdict, expected: &str| {
        let ending = Ending {
            enhanced: None,
            relay: None,
            step: Step::Body,
            code: None,
            text: "lost".to_owned(),
        };
        let to = judged(kind, Progress::default(), verdict);
        assert_eq!(
            in_history(ending, verdict, to).text,
            expected,
            "{kind:?} {verdict:?}"
        );
    };
    check(Kind::Reminder, Verdict::Unknown, "in doubt, counts as sent: lost");
    check(Kind::Reminder, Verdict::Sent, "lost");
    check(Kind::Reminder, Verdict::Delayed, "lost");
    check(Kind::Initial, Verdict::Unknown, "lost");
}

#[test]
fn a_lease_that_ran_out_before_the_body_costs_nothing() {
    for kind in Kind::ALL {
        for progress in [been(0, false), been(3, true)] {
            let again = Move::Wait {
                run_at: at(7),
                progress,
            };
            assert_eq!(after_lease(kind, Phase::Claimed, progress, at(7)), again);
        }
    }
}

#[test]
fn after_a_doubt_only_a_2xx_makes_it_certain() {
    for kind in RESENT {
        let check = |verdict, expected| {
            assert_eq!(judged(kind, been(6, true), verdict), Move::Close(expected));
        };
        check(Verdict::Sent, State::Sent);
        check(Verdict::Refused, State::Uncertain);
        check(Verdict::Delayed, State::Uncertain);
        check(Verdict::Unknown, State::Uncertain);
    }
}

#[test]
fn what_asks_for_an_answer_goes_out_up_to_48_hours_after_its_reason() {
    let hour = 3_600;
    let decide = |kind, now| before_sending(kind, at(0), Progress::default(), false, now, &policy());
    for kind in [Kind::Initial, Kind::Reminder] {
        assert_eq!(decide(kind, at(48 * hour)), None);
        assert_eq!(decide(kind, at(48 * hour + 1)), Some(State::Expired));
        assert_eq!(
            decide(kind, at(-100 * hour)),
            None,
            "the caller's clock may be ahead"
        );
    }
    for kind in [Kind::Acceptance, Kind::Reply] {
        assert_eq!(decide(kind, at(1_000 * hour)), None);
    }
}

#[test]
fn a_fenced_email_never_goes_out() {
    for kind in Kind::ALL {
        let decide = |progress| before_sending(kind, at(0), progress, true, at(0), &policy());
        assert_eq!(decide(been(0, false)), Some(State::Cancelled));
        assert_eq!(decide(been(0, true)), Some(State::Uncertain));
    }
}
