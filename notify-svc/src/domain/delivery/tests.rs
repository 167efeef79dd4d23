use super::*;
use crate::domain::reply::Step;

/// Kinds that are sent once more after a doubt.
const RESENT: [Kind; 3] = [Kind::Initial, Kind::Acceptance, Kind::Reply];

fn policy() -> Policy {
    let minutes = [1, 5, 30, 120, 360, 1_440];
    Policy {
        retry_delays: minutes.map(|m| Duration::from_secs(m * 60)).to_vec(),
        deadlines: Deadlines {
            initial: Duration::from_secs(48 * 3_600),
            reminder: Duration::from_secs(336 * 3_600),
            answer: Duration::from_secs(720 * 3_600),
        },
        restraint: Restraint {
            quiet_hours: None,
            daily_cap: 2,
            digest_from: 3,
        },
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

fn been(failures: i16, doubted: bool) -> Progress {
    Progress {
        failures,
        doubted,
        faults: 0,
    }
}

fn judged(kind: Kind, progress: Progress, verdict: Verdict) -> Move {
    after_attempt(kind, progress, verdict, None, at(0), &policy())
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
            } = after_attempt(kind, progress, Verdict::Delayed, None, now, &policy())
            else {
                panic!("waits after failure {}", progress.failures);
            };
            assert_eq!(run_at.duration_since(now).as_secs(), minutes * 60);
            (now, progress) = (run_at, next);
        }
        assert_eq!(
            after_attempt(kind, progress, Verdict::Delayed, None, now, &policy()),
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
        check(Verdict::NoMailbox, State::Uncertain);
        check(Verdict::Delayed, State::Uncertain);
        check(Verdict::Unknown, State::Uncertain);
    }
}

/// An email of `kind` about which nothing is known that would stop it.
fn case(kind: Kind, progress: Progress) -> Case {
    Case {
        kind,
        event_time: at(0),
        progress,
        fenced: false,
        wanted: true,
        suppressed: false,
        zone: "UTC".to_owned(),
        lately: Lately::default(),
    }
}

#[test]
fn an_email_goes_out_until_its_reason_is_too_old() {
    let hour = 3_600;
    for (kind, hours) in [
        (Kind::Initial, 48),
        (Kind::Reminder, 336),
        (Kind::Acceptance, 720),
        (Kind::Reply, 720),
    ] {
        let decide = |now| before_sending(&case(kind, Progress::default()), now, &policy());
        let goes = Judgement::Send(Company::Alone);
        assert_eq!(decide(at(hours * hour)), goes, "{kind:?}");
        assert_eq!(
            decide(at(hours * hour + 1)),
            Judgement::Close(State::Expired),
            "{kind:?}"
        );
        assert_eq!(decide(at(-1_000 * hour)), goes, "the caller's clock may be ahead");
    }
}

#[test]
fn what_ends_an_email_comes_before_what_holds_it_up() {
    for kind in Kind::ALL {
        for (doubted, uncertain) in [(false, None), (true, Some(State::Uncertain))] {
            let mut case = case(kind, been(0, doubted));
            case.lately.sent = vec![at(0), at(0)];
            let decide = |case: &Case| before_sending(case, at(1), &policy());
            assert_eq!(decide(&case), Judgement::Restrain(at(86_400), Restrained::Cap));
            let close = |state| Judgement::Close(uncertain.unwrap_or(state));
            case.wanted = false;
            assert_eq!(decide(&case), close(State::PreferenceOff));
            case.suppressed = true;
            assert_eq!(decide(&case), close(State::Suppressed));
            case.event_time = at(-10_000_000);
            assert_eq!(decide(&case), close(State::Expired));
            case.fenced = true;
            assert_eq!(decide(&case), close(State::Cancelled));
        }
    }
}

/// A clock that was wrong for a while leaves times of the future behind.
#[test]
fn what_would_wait_beyond_its_deadline_waits_until_then_only() {
    let years = at(5 * 365 * 86_400);
    let late = |kind| shell::clock::after(at(0), policy().deadlines.of(kind) + Duration::from_millis(1));
    for kind in Kind::ALL {
        let mut case = case(kind, Progress::default());
        case.lately.sent = vec![years, years];
        let waits = Judgement::Restrain(late(kind), Restrained::Cap);
        assert_eq!(before_sending(&case, at(1), &policy()), waits);
        let then = before_sending(&case, late(kind), &policy());
        assert_eq!(then, Judgement::Close(State::Expired));
    }
    let mut reminder = case(Kind::Reminder, Progress::default());
    (reminder.lately.reminded, reminder.lately.waiting) = (vec![years, years], 1);
    let waits = Judgement::Restrain(late(Kind::Reminder), Restrained::Digest);
    assert_eq!(before_sending(&reminder, at(1), &policy()), waits);
}

#[test]
fn only_reminders_go_out_in_company() {
    for kind in Kind::ALL {
        let mut case = case(kind, Progress::default());
        case.lately.waiting = 3;
        let together = before_sending(&case, at(1), &policy()) == Judgement::Send(Company::Together);
        assert_eq!(together, kind == Kind::Reminder, "{kind:?}");
        case.lately.reminded = vec![at(0)];
        let waits = Judgement::Restrain(at(7 * 86_400), Restrained::Digest);
        assert_eq!(
            before_sending(&case, at(1), &policy()) == waits,
            kind == Kind::Reminder,
            "{kind:?}"
        );
    }
}

#[test]
fn what_may_be_meant_for_an_email_makes_it_wait_longer_each_time_and_burns_no_attempt() {
    for kind in Kind::ALL {
        let mut progress = been(6, false);
        for (faults, minutes) in (1..).zip([1, 5, 30, 120, 360, 1_440, 1_440, 1_440]) {
            let to = judged(kind, progress, Verdict::Suspected);
            progress.faults = faults;
            let waits = Move::Wait {
                run_at: at(minutes * 60),
                progress,
            };
            assert_eq!(to, waits, "{kind:?}");
        }
    }
}

#[test]
fn after_a_relay_s_own_fault_it_goes_again_when_a_relay_may_be_tried() {
    let progress = Progress {
        faults: 3,
        ..been(6, false)
    };
    for (pause, second) in [
        (None, 0),
        (Some(Duration::from_secs(60)), 60),
        (Some(Duration::from_secs(900)), 900),
    ] {
        for kind in Kind::ALL {
            let to = after_attempt(kind, progress, Verdict::RelayFault, pause, at(0), &policy());
            let waits = Move::Wait {
                run_at: at(second),
                progress,
            };
            assert_eq!(to, waits, "{kind:?} {pause:?}");
        }
    }
}
