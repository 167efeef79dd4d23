use super::*;

fn ending(step: Step, code: Option<u16>, text: &str) -> Ending {
    Ending {
        step,
        code,
        enhanced: Enhanced::at_start_of(text),
        text: text.to_owned(),
        relay: None,
    }
}

const EMAIL: Uuid = Uuid::from_u128(1);

fn check(step: Step, code: Option<u16>, text: &str, expected: Event) {
    assert_eq!(
        Event::of(&ending(step, code, text), EMAIL),
        expected,
        "{step:?} {code:?} {text}"
    );
}

const TALK: [Step; 4] = [Step::Mail, Step::Rcpt, Step::Data, Step::Body];

#[test]
fn a_421_and_a_5_7_x_are_the_relay_s_fault_and_once_a_reader_is_named_a_5_7_x_may_be_the_email_s() {
    for step in TALK.into_iter().chain([Step::Connect]) {
        check(step, Some(421), "4.3.2 going down", Event::Fault);
    }
    for step in [Step::Connect, Step::Mail] {
        check(step, Some(550), "5.7.1 relaying denied", Event::Fault);
    }
    for step in [Step::Rcpt, Step::Data, Step::Body] {
        check(step, Some(554), "5.7.26 unauthenticated", Event::Suspect(EMAIL));
        check(step, Some(550), "5.1.8 bad sender", Event::Suspect(EMAIL));
    }
    check(
        Step::Body,
        Some(250),
        "5.7.1 is the number of this mail",
        Event::Accepted,
    );
    check(Step::Rcpt, Some(450), "4.7.1 greylisted", Event::Answered);
}

#[test]
fn a_refused_login_or_tls_is_the_relay_s_fault_and_once_a_reader_is_named_may_be_the_email_s() {
    for code in [530, 534, 535, 538] {
        check(Step::Connect, Some(code), "no", Event::Fault);
        check(Step::Mail, Some(code), "no", Event::Fault);
        for step in [Step::Rcpt, Step::Data, Step::Body] {
            check(step, Some(code), "no", Event::Suspect(EMAIL));
        }
    }
    check(Step::Connect, Some(454), "TLS not available", Event::Fault);
    check(Step::Rcpt, Some(454), "later", Event::Answered);
}

#[test]
fn a_relay_that_lets_nobody_in_or_falls_silent_is_lost() {
    check(Step::Connect, Some(554), "no service", Event::Lost);
    check(Step::Connect, Some(450), "busy", Event::Lost);
    for step in TALK.into_iter().chain([Step::Connect]) {
        check(step, None, "timed out", Event::Lost);
    }
}

#[test]
fn an_answer_about_the_email_tells_that_the_relay_works() {
    for step in TALK {
        check(step, Some(451), "4.3.0 later", Event::Answered);
    }
    for step in [Step::Rcpt, Step::Data, Step::Body] {
        check(step, Some(550), "5.1.1 nobody", Event::Answered);
    }
    check(Step::Mail, Some(550), "5.1.1 nobody", Event::Fault);
    check(Step::Mail, Some(550), "no", Event::Suspect(EMAIL));
    check(Step::Mail, Some(553), "5.6.7 not ASCII", Event::Suspect(EMAIL));
    check(Step::Body, Some(250), "ok", Event::Accepted);
}

#[test]
fn only_what_is_not_about_the_email_goes_on_to_the_next_relay_and_never_after_the_body_began() {
    for step in [Step::Connect, Step::Mail, Step::Rcpt, Step::Data] {
        assert!(goes_on(&ending(step, None, "timed out")), "{step:?}");
        assert!(goes_on(&ending(step, Some(421), "bye")), "{step:?}");
        assert!(goes_on(&ending(step, Some(550), "5.7.1 denied")), "{step:?}");
    }
    assert!(goes_on(&ending(Step::Mail, Some(550), "no")));
    assert!(!goes_on(&ending(Step::Mail, Some(451), "later")));
    for step in [Step::Rcpt, Step::Data] {
        assert!(!goes_on(&ending(step, Some(550), "5.1.1 nobody")), "{step:?}");
        assert!(!goes_on(&ending(step, Some(451), "later")), "{step:?}");
    }
    for code in [None, Some(250), Some(421), Some(451), Some(550)] {
        assert!(!goes_on(&ending(Step::Body, code, "5.7.1 x")), "{code:?}");
    }
    assert!(goes_on(&ending(Step::Compose, None, "does not offer SMTPUTF8")));
}

/// Meets `event` as soon as the relay may be used, `times` in a row: how many seconds each pause after it was.
fn pauses(state: &mut RelayState, now: &mut Duration, event: Event, times: usize) -> Vec<u64> {
    let mut lengths = Vec::new();
    for _ in 0..times {
        *state = state.after(event, *now);
        match state.stand(*now) {
            Stand::Paused(until) => {
                lengths.push((until - *now).as_secs());
                *now = until;
            }
            Stand::Usable | Stand::OnTrial => lengths.push(0),
        }
    }
    lengths
}

#[test]
fn faults_pause_a_relay_for_a_minute_doubling_to_15_until_it_takes_an_email() {
    let (mut state, mut now) = (RelayState::default(), Duration::from_secs(1_000));
    let lengths = pauses(&mut state, &mut now, Event::Fault, 6);
    assert_eq!(lengths, [60, 120, 240, 480, 900, 900]);
    assert_eq!(state.stand(now), Stand::OnTrial);
    state = state.after(Event::Answered, now);
    assert_eq!(
        state.stand(now),
        Stand::OnTrial,
        "a refused reader proves nothing"
    );
    assert_eq!(pauses(&mut state, &mut now, Event::Fault, 1), [900]);
    state = state.after(Event::Accepted, now);
    assert_eq!(state, RelayState::default());
    assert_eq!(pauses(&mut state, &mut now, Event::Fault, 1), [60]);
}

#[test]
fn five_lost_connections_in_a_row_pause_a_relay_for_5_seconds_doubling_to_60() {
    let (mut state, mut now) = (RelayState::default(), Duration::from_secs(1_000));
    let lengths = pauses(&mut state, &mut now, Event::Lost, 10);
    assert_eq!(lengths, [0, 0, 0, 0, 5, 10, 20, 40, 60, 60]);
    state = state.after(Event::Answered, now);
    assert_eq!(state.stand(now), Stand::Usable, "it answers again");
    assert_eq!(pauses(&mut state, &mut now, Event::Lost, 5), [0, 0, 0, 0, 5]);
}

#[test]
fn an_answer_between_them_ends_a_row_of_lost_connections() {
    let (mut state, mut now) = (RelayState::default(), Duration::from_secs(1_000));
    for _ in 0..10 {
        assert_eq!(pauses(&mut state, &mut now, Event::Lost, 4), [0; 4]);
        state = state.after(Event::Answered, now);
    }
}

#[test]
fn what_one_email_meets_again_and_again_pauses_no_relay_and_a_second_one_s_does() {
    let (mut state, mut now) = (RelayState::default(), Duration::from_secs(1_000));
    let (one, other) = (Event::Suspect(EMAIL), Event::Suspect(Uuid::from_u128(2)));
    assert_eq!(pauses(&mut state, &mut now, one, 10), [0; 10]);
    state = state.after(Event::Answered, now);
    assert_eq!(pauses(&mut state, &mut now, other, 1), [60]);
    assert_eq!(pauses(&mut state, &mut now, one, 1), [0], "still on trial");
    assert_eq!(state.stand(now), Stand::OnTrial);
    assert_eq!(pauses(&mut state, &mut now, other, 1), [120]);
    for event in [one, other] {
        state = state.after(Event::Accepted, now);
        assert_eq!(
            pauses(&mut state, &mut now, event, 3),
            [0; 3],
            "none since one was taken"
        );
    }
}

#[test]
fn what_was_begun_before_a_pause_neither_ends_nor_prolongs_it() {
    let now = Duration::from_secs(1_000);
    let paused = RelayState::default().after(Event::Fault, now);
    let suspect = Event::Suspect(EMAIL);
    for event in [
        Event::Accepted,
        Event::Answered,
        Event::Lost,
        suspect,
        Event::Fault,
    ] {
        assert_eq!(
            paused.after(event, now + Duration::from_secs(59)),
            paused,
            "{event:?}"
        );
    }
}

#[test]
fn many_faults_do_not_overflow() {
    let (mut state, mut now) = (RelayState::default(), Duration::from_secs(1_000));
    for event in [Event::Fault, Event::Lost] {
        let lengths = pauses(&mut state, &mut now, event, 100);
        assert!(lengths[99] == 900 || lengths[99] == 60, "{event:?}");
    }
}
