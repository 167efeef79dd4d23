use super::cases::{BEFORE, Case, Full, There, today};
use crate::domain::{
    account::{Account, RestrictionKind},
    explain::{Check, Explanation, explain},
    invitation::{Folder, Lifecycle, Received},
    member::InvitationPolicy,
    policy::AfterDecline,
    refusal::Refusal,
    transition::{Answer, Changes, Connected, Decision, EventKind},
    world::{ADA, Address, BEN},
};

/// What has to come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Refused, and nothing is written.
    Refused(Refusal),
    /// Refused, and a unit of quota is spent.
    Charged(Refusal),
    /// Refused, a unit of quota is spent and the send counts for the pair.
    Counted(Refusal),
    Connects,
    LooksSent,
    Resends,
    Sends,
}

/// The checks of the contract, in its order: the first that holds decides.
fn expected(case: &Case) -> Expected {
    use Expected::{Charged, Connects, Counted, LooksSent, Refused, Resends, Sends};
    let unknown = case.there != There::Both;
    let mutual = case.is_open_from(BEN);
    let suspended = case.restricted == Some(RestrictionKind::Suspended);
    let needs_address = case.email_required
        || case.restricted == Some(RestrictionKind::EmailRequired)
        || case.accepts == InvitationPolicy::KnowsMyEmail;
    let missing = needs_address && case.address == Address::Missing;
    let wrong = needs_address && case.address == Address::Wrong;
    let spent = case.day_is_full && case.granted == 0;
    let pending = case.is_open_from(ADA);
    let is_full = case.full == Full::Inviter || (case.outstanding_is_full && !pending);
    let refuses = case.after_decline == AfterDecline::Refuse;
    #[rustfmt::skip]
    let checks = [
        (unknown,                               Refused(Refusal::MemberNotFound)),
        (case.connected,                        Refused(Refusal::AlreadyConnected)),
        (mutual && case.full != Full::Neither,  Refused(Refusal::ConnectionLimitReached)),
        (mutual,                                Connects),
        (suspended,                             Refused(Refusal::InvitingRestricted)),
        (missing,                               Refused(Refusal::EmailRequired)),
        // A guess that cannot be paid for tells nothing.
        (needs_address && spent,                Refused(Refusal::InvitationLimitReached)),
        (wrong,                                 Charged(Refusal::EmailRequired)),
        (case.sends_to_pair >= 3,               Refused(Refusal::InvitationAlreadySent)),
        (spent || is_full,                      Refused(Refusal::InvitationLimitReached)),
        (case.is_hidden() && refuses,           Counted(Refusal::CannotInviteMember)),
        (case.is_hidden(),                      LooksSent),
        (pending,                               Resends),
        (true,                                  Sends),
    ];
    checks
        .into_iter()
        .find(|(holds, _)| *holds)
        .expect("the last always holds")
        .1
}

#[test]
fn the_first_check_that_holds_decides() {
    for case in Case::some() {
        let decision = case.decide();
        match expected(&case) {
            Expected::Refused(refusal) => check_refused(&case, &decision, refusal),
            Expected::Charged(refusal) => check_charged(&case, &decision, refusal),
            Expected::Counted(refusal) => check_counted(&case, &decision, refusal),
            Expected::Connects => check_connects(&case, &decision),
            Expected::LooksSent => check_sends(&case, &decision, false),
            Expected::Resends | Expected::Sends => check_sends(&case, &decision, true),
        }
    }
}

#[test]
fn an_operator_is_told_what_the_send_would_come_to() {
    for case in Case::some() {
        let Explanation { check, refusal, .. } = case.judged_by(explain);
        let (refused, answers): (_, fn(Check) -> bool) = match expected(&case) {
            Expected::Refused(refusal) | Expected::Charged(refusal) => {
                (Some(refusal), |check| check < Check::Hidden)
            }
            Expected::Counted(refusal) => (Some(refusal), |check| check == Check::Hidden),
            Expected::Connects => (None, |check| check == Check::Mutual),
            Expected::LooksSent => (None, |check| check == Check::Hidden),
            Expected::Resends => (None, |check| check == Check::Resend),
            Expected::Sends => (None, |check| check == Check::New),
        };
        assert_eq!(refusal, refused, "{case:?}");
        assert!(answers(check), "{check:?}: {case:?}");
    }
}

fn check_refused(case: &Case, decision: &Decision, refusal: Refusal) {
    assert_eq!(*decision, Decision::refused(refusal), "{case:?}");
}

fn check_charged(case: &Case, decision: &Decision, refusal: Refusal) {
    let changes = Changes {
        accounts: vec![charged(case)],
        ..Changes::default()
    };
    let expected = Decision {
        changes,
        answer: Err(refusal),
    };
    assert_eq!(*decision, expected, "{case:?}");
}

fn check_counted(case: &Case, decision: &Decision, refusal: Refusal) {
    let mut pair = case.pair();
    let sends = &mut pair.from_mut(ADA).sends;
    sends.record(today(), case.policy().pair_sends);
    let changes = Changes {
        accounts: vec![charged(case)],
        pair: Some(pair),
        ..Changes::default()
    };
    let expected = Decision {
        changes,
        answer: Err(refusal),
    };
    assert_eq!(*decision, expected, "{case:?}");
}

/// The inviter's account with a unit of quota less, or of what was granted.
fn charged(case: &Case) -> Account {
    let mut account = case.inviter();
    if case.day_is_full {
        account.granted -= 1;
    } else {
        let policy = case.policy();
        account
            .sends
            .record(today(), policy.quota_day.max(policy.quota_week));
        account.lifetime_sends += 1;
    }
    account
}

fn check_connects(case: &Case, decision: &Decision) {
    let Decision { changes, answer } = decision;
    let connected = Connected {
        inviter_id: BEN,
        recipient_id: ADA,
        at: today(),
    };
    assert_eq!(*answer, Ok(Answer::Connected(connected)), "{case:?}");
    assert_eq!(changes.connected, Some(connected));
    let (mut ada, mut ben) = (case.inviter(), case.recipient());
    (ada.connections, ben.connections, ben.outstanding) = (ada.connections + 1, ben.connections + 1, 0);
    assert_eq!(changes.accounts, [ben, ada], "connecting costs nothing: {case:?}");
    let pair = changes.pair.as_ref().expect("connected");
    assert_eq!((pair.connected_at, pair.open), (Some(today()), None));
    assert_eq!(changes.received[0].lifecycle, Lifecycle::Accepted);
    assert_eq!(changes.sent[0].lifecycle, Lifecycle::Accepted);
    let event = &changes.events[0];
    assert_eq!((event.kind, event.inviter_id), (EventKind::Accepted, BEN));
    assert_eq!((event.sequence, event.hidden, event.mails), (5, false, true));
}

fn check_sends(case: &Case, decision: &Decision, reaches: bool) {
    let Decision { changes, answer } = decision;
    let sent = changes.sent.last().expect("written");
    let received = changes.received.last().expect("written");
    assert_eq!(*answer, Ok(Answer::Sent(sent.clone())), "{case:?}");
    assert_eq!((sent.note.as_str(), sent.sent_at), ("hello", today()));
    assert_eq!(sent.lifecycle, Lifecycle::Pending);
    assert_eq!(received.expires_at, sent.expires_at);
    let again = case.is_open_from(ADA);
    assert_eq!(sent.id == BEFORE, again, "a resend keeps its id: {case:?}");
    assert_eq!(received.sequence, if again { 5 } else { 1 });
    let before = case.invitation().filter(|_| again).map(|before| before.received);
    check_recipient_s_row(received, before.as_ref(), reaches);

    let expired = case.open.is_some() && !again;
    let mut account = charged(case);
    account.outstanding += usize::from(!again);
    let is_own = case.open.is_some_and(|(inviter, ..)| inviter == ADA);
    if expired && is_own {
        (account.outstanding, account.overdue) = (account.outstanding - 1, 0);
    }
    assert_eq!(changes.accounts.last(), Some(&account), "{case:?}");

    let pair = changes.pair.as_ref().expect("open");
    let open = pair.open.map(|open| (open.id, open.inviter_id, open.until));
    assert_eq!(open, Some((sent.id, ADA, sent.expires_at)));
    assert_eq!(
        pair.from(ADA).barred,
        case.barred,
        "a send lifts no ban on its inviter"
    );

    let kinds: Vec<EventKind> = changes.events.iter().map(|event| event.kind).collect();
    match (again, expired) {
        (true, _) => assert_eq!(kinds, [EventKind::Resent]),
        (false, true) => assert_eq!(kinds, [EventKind::Expired, EventKind::Sent]),
        (false, false) => assert_eq!(kinds, [EventKind::Sent]),
    }
    let event = changes.events.last().expect("checked");
    let emailed_today = again && case.open.is_some_and(|(_, _, hours)| hours < 24);
    assert_eq!(event.mails, reaches && !emailed_today, "{case:?}");
    assert_eq!(event.hidden, !reaches);
}

/// A send that reaches its recipient lies in their inbox; one that reaches nobody changes nothing that they had.
fn check_recipient_s_row(after: &Received, before: Option<&Received>, reaches: bool) {
    match before {
        _ if reaches => {
            assert_eq!((after.folder, after.note.as_str()), (Folder::Inbox, "hello"));
            assert_eq!(after.sent_at, today());
        }
        Some(before) => {
            let as_before = Received {
                sequence: after.sequence,
                expires_at: after.expires_at,
                due_at: after.due_at,
                ..before.clone()
            };
            assert_eq!(*after, as_before);
        }
        None => assert_eq!(after.folder, Folder::Barred),
    }
}
