//! Whatever happens to an email, its outcome tells what the mail server knows.

use proptest::prelude::*;

use super::*;
use crate::domain::reply::{Enhanced, Step, verdict};

/// What may happen to an open email.
#[derive(Debug, Clone)]
enum Event {
    /// An attempt ends; `took` says whether a server that fell silent after the body took it.
    Attempt {
        step: Step,
        code: Option<u16>,
        enhanced: Option<Enhanced>,
        took: bool,
    },
    /// Its worker dies.
    Death { phase: Phase, took: bool },
    /// It is claimed and cancelled before it begins.
    Cancelled,
}

fn event() -> impl Strategy<Value = Event> {
    let step = prop_oneof![
        Just(Step::Compose),
        Just(Step::Connect),
        Just(Step::Mail),
        Just(Step::Rcpt),
        Just(Step::Data),
        Just(Step::Body),
        Just(Step::Body),
    ];
    let code = proptest::option::of(prop_oneof![Just(250), Just(354), Just(421), Just(451), Just(550)]);
    let enhanced = proptest::sample::select(vec!["", "5.1.1", "5.7.1", "5.2.2", "4.7.1"]);
    let enhanced = enhanced.prop_map(Enhanced::at_start_of);
    let phase = prop_oneof![Just(Phase::Claimed), Just(Phase::Body)];
    prop_oneof![
        8 => (step, code, enhanced, any::<bool>())
            .prop_map(|(step, code, enhanced, took)| Event::Attempt { step, code, enhanced, took }),
        3 => (phase, any::<bool>()).prop_map(|(phase, took)| Event::Death { phase, took }),
        1 => Just(Event::Cancelled),
    ]
}

/// The server's side: how often it got a body, and how often it took one.
#[derive(Debug, Default)]
struct Server {
    unanswered: u32,
    took: u32,
}

fn happen(
    kind: Kind,
    event: &Event,
    progress: Progress,
    now: Timestamp,
    policy: &Policy,
    server: &mut Server,
) -> Move {
    match *event {
        Event::Attempt {
            step,
            code,
            enhanced,
            took,
        } => {
            let verdict = verdict(&Ending {
                step,
                code,
                enhanced,
                text: String::new(),
                relay: None,
            });
            server.unanswered += u32::from(verdict == Verdict::Unknown);
            server.took += u32::from(verdict == Verdict::Sent || (verdict == Verdict::Unknown && took));
            after_attempt(kind, progress, verdict, None, now, policy)
        }
        Event::Death { phase, took } => {
            server.unanswered += u32::from(phase == Phase::Body);
            server.took += u32::from(phase == Phase::Body && took);
            after_lease(kind, phase, progress, now)
        }
        Event::Cancelled => Move::Close(unsent(State::Cancelled, progress)),
    }
}

proptest! {
    #[test]
    fn an_outcome_never_lies(
        kind in proptest::sample::select(Kind::ALL.to_vec()),
        events in proptest::collection::vec(event(), 1..40),
    ) {
        let policy = Policy {
            retry_delays: vec![Duration::from_secs(60); 6],
            deadlines: Deadlines { initial: Duration::MAX, reminder: Duration::MAX, answer: Duration::MAX },
            restraint: Restraint::default(),
        };
        let (mut progress, mut now, mut server) = (Progress::default(), Timestamp::UNIX_EPOCH, Server::default());
        for event in &events {
            match happen(kind, event, progress, now, &policy, &mut server) {
                Move::Close(State::Sent) => prop_assert!(server.took >= 1 || kind == Kind::Reminder && server.unanswered == 1),
                Move::Close(State::Uncertain) => prop_assert!(server.unanswered >= 1 && kind != Kind::Reminder),
                Move::Close(
                    State::Cancelled | State::Expired | State::Dead | State::PreferenceOff | State::Suppressed,
                ) => prop_assert_eq!(server.took, 0),
                Move::Close(State::Open) => prop_assert!(false, "open is no outcome"),
                Move::Wait { run_at, progress: next } => {
                    prop_assert!(run_at >= now);
                    prop_assert!(next.failures <= 6);
                    prop_assert_eq!(next.doubted, server.unanswered > 0);
                    prop_assert!(server.unanswered <= 1, "one resend, not two");
                    (progress, now) = (next, run_at);
                    continue;
                }
            }
            let most = if kind == Kind::Reminder { 1 } else { 2 };
            prop_assert!(server.took <= most, "at most one resend, and none of a reminder");
            return Ok(());
        }
    }
}
