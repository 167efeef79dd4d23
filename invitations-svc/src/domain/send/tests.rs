use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{
    command::Accept,
    member::InvitationPolicy,
    pair::PairKey,
    policy::Policy,
    time_log::TimeLog,
    transition::{Connected, Decision},
};

const ADA: Uuid = Uuid::from_u128(1);
const BEN: Uuid = Uuid::from_u128(2);

fn today() -> Timestamp {
    Timestamp::from_second(1_795_000_000).expect("in range")
}

fn ago(hours: i64) -> Timestamp {
    today() - SignedDuration::from_hours(hours)
}

fn command(address: Option<&str>) -> Send {
    Send {
        inviter_id: ADA,
        recipient_id: BEN,
        note: "hello".to_owned(),
        recipient_email: address.map(str::to_owned),
        reminders: true,
        entropy: [7; 10],
    }
}

fn received(inviter_id: Uuid, recipient_id: Uuid, folder: Folder, sent_at: Timestamp) -> Received {
    Received {
        recipient_id,
        id: Uuid::from_u128(99),
        inviter_id,
        note: "before".to_owned(),
        lifecycle: Lifecycle::Pending,
        folder,
        sequence: 4,
        sent_at,
        expires_at: after(sent_at, Policy::default().open_for),
        accepted_at: None,
        emailed_at: sent_at,
        reminders: true,
    }
}

/// One way that a send can find things.
#[derive(Debug, Clone)]
struct Case {
    inviter_exists: bool,
    recipient_exists: bool,
    connected: bool,
    /// Who invited whom, in which folder it lies, how many hours ago.
    open: Option<(Uuid, Folder, i64)>,
    policy: InvitationPolicy,
    address: Option<&'static str>,
    sends_to_pair: usize,
    sends_today: usize,
}

impl Case {
    fn decide(&self) -> Decision {
        let policy = Policy::default();
        let open = self
            .open
            .filter(|_| !self.connected)
            .map(|(inviter, folder, hours)| {
                received(
                    inviter,
                    if inviter == ADA { BEN } else { ADA },
                    folder,
                    ago(hours),
                )
            });
        let mut pair = Pair::strangers(PairKey::of(ADA, BEN));
        pair.connected_at = self.connected.then(|| ago(1));
        pair.open = open.as_ref().map(|row| Open {
            id: row.id,
            inviter_id: row.inviter_id,
            until: row.expires_at,
        });
        pair.lo_sends = TimeLog::new(vec![ago(30); self.sends_to_pair]);
        let account = Account {
            sends: TimeLog::new(vec![ago(1); self.sends_today]),
            lifetime_sends: self.sends_today,
            ..Account::unused(ADA)
        };
        let recipient = match self.policy {
            InvitationPolicy::Everyone => Addressee::Everyone,
            InvitationPolicy::KnowsMyEmail => Addressee::KnowsMyEmail("ben@example.com".to_owned()),
        };
        let facts = Facts {
            account: self.inviter_exists.then_some(&account),
            recipient: self.recipient_exists.then_some(&recipient),
            pair: &pair,
            open: open.as_ref(),
        };
        send(
            &command(self.address),
            &facts,
            Moment {
                now: today(),
                policy: &policy,
            },
        )
    }

    fn is_open(&self) -> bool {
        self.open.is_some_and(|(_, _, hours)| hours < 180 * 24)
    }

    fn quota_is_spent(&self) -> bool {
        self.sends_today >= 50
    }

    /// The checks of the contract, in its order: the first that holds decides.
    fn expected(&self) -> Expected {
        use Expected::{Connects, Refused, Sends};
        let theirs = self.is_open() && self.open.is_some_and(|(inviter, ..)| inviter == BEN);
        let needs_address = self.policy == InvitationPolicy::KnowsMyEmail;
        let wrong = needs_address && self.address == Some("wrong@example.com");
        let checks = [
            (
                !self.inviter_exists || !self.recipient_exists,
                Refused(Refusal::MemberNotFound),
            ),
            (self.connected, Refused(Refusal::AlreadyConnected)),
            (theirs, Connects),
            (
                needs_address && self.address.is_none(),
                Refused(Refusal::EmailRequired),
            ),
            (
                needs_address && self.address.is_some() && self.quota_is_spent(),
                Refused(Refusal::InvitationLimitReached),
            ),
            (wrong, Expected::RefusedAndCharged(Refusal::EmailRequired)),
            (self.sends_to_pair >= 3, Refused(Refusal::InvitationAlreadySent)),
            (self.quota_is_spent(), Refused(Refusal::InvitationLimitReached)),
            (true, Sends),
        ];
        checks
            .into_iter()
            .find(|(holds, _)| *holds)
            .expect("the last always holds")
            .1
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Refused(Refusal),
    RefusedAndCharged(Refusal),
    Connects,
    Sends,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let invitations = [ADA, BEN].into_iter().flat_map(|inviter| {
        [Folder::Inbox, Folder::Archived]
            .into_iter()
            .flat_map(move |folder| {
                [1, 25, 180 * 24]
                    .into_iter()
                    .map(move |hours| Some((inviter, folder, hours)))
            })
    });
    for open in invitations.chain([None]) {
        for bits in 0..8 {
            for policy in [InvitationPolicy::Everyone, InvitationPolicy::KnowsMyEmail] {
                for address in [None, Some("wrong@example.com"), Some("BEN@example.com")] {
                    for (sends_to_pair, sends_today) in [(0, 0), (2, 49), (3, 0), (0, 50), (3, 50)] {
                        cases.push(Case {
                            inviter_exists: bits & 1 == 0,
                            recipient_exists: bits & 2 == 0,
                            connected: bits & 4 != 0,
                            open,
                            policy,
                            address,
                            sends_to_pair,
                            sends_today,
                        });
                    }
                }
            }
        }
    }
    cases
}

#[test]
fn the_first_check_that_holds_decides() {
    for case in cases() {
        let Decision { changes, answer } = case.decide();
        match case.expected() {
            Expected::Refused(refusal) => {
                assert_eq!(answer, Err(refusal), "{case:?}");
                assert_eq!(changes, Changes::default(), "a refusal writes nothing: {case:?}");
            }
            Expected::RefusedAndCharged(refusal) => {
                assert_eq!(answer, Err(refusal), "{case:?}");
                let charge = Changes {
                    account: changes.account.clone(),
                    ..Changes::default()
                };
                assert_eq!(changes, charge, "nothing but the charge: {case:?}");
                assert_eq!(
                    charge.account.expect("charged").lifetime_sends,
                    case.sends_today + 1
                );
            }
            Expected::Connects => check_connects(&case, &changes, answer),
            Expected::Sends => check_sends(&case, &changes, answer),
        }
    }
}

fn check_connects(case: &Case, changes: &Changes, answer: Result<Answer, Refusal>) {
    let connected = Connected {
        inviter_id: BEN,
        recipient_id: ADA,
        at: today(),
    };
    assert_eq!(answer, Ok(Answer::Connected(connected)), "{case:?}");
    assert_eq!(changes.connected, Some(connected));
    assert_eq!(changes.account, None, "connecting costs nothing: {case:?}");
    let pair = changes.pair.as_ref().expect("connected");
    assert_eq!((pair.connected_at, pair.open), (Some(today()), None));
    let event = changes.event.as_ref().expect("the other side gets an email");
    assert_eq!(
        (event.kind, event.inviter_id, event.sequence),
        (EventKind::Accepted, BEN, 5)
    );
}

fn check_sends(case: &Case, changes: &Changes, answer: Result<Answer, Refusal>) {
    let received = changes.received.as_ref().expect("written");
    assert_eq!(answer, Ok(Answer::Sent(received.for_inviter())), "{case:?}");
    assert_eq!(
        (received.folder, received.lifecycle),
        (Folder::Inbox, Lifecycle::Pending)
    );
    assert_eq!((received.note.as_str(), received.sent_at), ("hello", today()));
    assert_eq!(received.expires_at, after(today(), Policy::default().open_for));
    let again = case.is_open();
    assert_eq!(
        received.id == Uuid::from_u128(99),
        again,
        "a resend keeps its id: {case:?}"
    );
    assert_eq!(received.sequence, if again { 5 } else { 1 });
    let emailed_today = case.open.is_some_and(|(_, _, hours)| again && hours < 24);
    assert_eq!(changes.event.is_none(), emailed_today, "{case:?}");
    assert_eq!(
        changes.account.as_ref().expect("charged").lifetime_sends,
        case.sends_today + 1
    );
    let pair = changes.pair.as_ref().expect("open");
    assert_eq!(
        pair.open.map(|open| (open.id, open.inviter_id)),
        Some((received.id, ADA))
    );
    assert_eq!(pair.lo_sends.times().len(), case.sends_to_pair + 1);
}

#[test]
fn what_the_inviter_gets_does_not_depend_on_the_folder() {
    for case in cases() {
        let Some((inviter, Folder::Inbox, hours)) = case.open else {
            continue;
        };
        let archived = Case {
            open: Some((inviter, Folder::Archived, hours)),
            ..case.clone()
        };
        let (inbox, archived) = (case.decide(), archived.decide());
        assert_eq!(inbox.answer, archived.answer, "{case:?}");
        assert_eq!(inbox.changes.event, archived.changes.event, "{case:?}");
        assert_eq!(inbox.changes.account, archived.changes.account, "{case:?}");
    }
}

/// What one of two members does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Send(bool),
    Accept(bool),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<bool>().prop_map(Step::Send),
        any::<bool>().prop_map(Step::Accept),
        (1i64..200 * 24).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Whatever two members do: one open invitation at most, a sequence without gaps, one connection, no unpaid send.
    #[test]
    fn two_members_never_get_out_of_step(steps in steps()) {
        let policy = Policy { quota_day: 5, ..Policy::default() };
        let recipient = Addressee::Everyone;
        let mut pair = Pair::strangers(PairKey::of(ADA, BEN));
        let mut accounts = [Account::unused(ADA), Account::unused(BEN)];
        let mut rows: std::collections::HashMap<Uuid, Received> = std::collections::HashMap::new();
        let mut time = today();
        let (mut connections, mut sends) = (0, 0);
        for (number, step) in steps.into_iter().enumerate() {
            let moment = Moment { now: time, policy: &policy };
            let decision = match step {
                Step::Wait(hours) => {
                    time += SignedDuration::from_hours(hours);
                    continue;
                }
                Step::Send(by_ben) => {
                    let mut act = command(None);
                    act.entropy[..8].copy_from_slice(&(number as u64).to_be_bytes());
                    (act.inviter_id, act.recipient_id) = if by_ben { (BEN, ADA) } else { (ADA, BEN) };
                    let open = pair.open.and_then(|open| rows.get(&open.id));
                    let account = &accounts[usize::from(by_ben)];
                    send(&act, &Facts { account: Some(account), recipient: Some(&recipient), pair: &pair, open }, moment)
                }
                Step::Accept(by_ben) => {
                    let actor = if by_ben { BEN } else { ADA };
                    let Some(open) = pair.open else { continue };
                    let accept = Accept { recipient_id: actor, invitation_id: open.id };
                    let named = rows.get(&open.id).filter(|row| row.recipient_id == accept.recipient_id);
                    crate::domain::accept::accept(named, &pair, moment)
                }
            };
            let Changes { account, pair: changed, received, connected, .. } = decision.changes;
            if let Some(account) = account {
                sends += 1;
                let at = usize::from(account.member_id == BEN);
                accounts[at] = account;
            }
            if let Some(row) = received {
                let before = rows.get(&row.id).map_or(0, |row| row.sequence);
                prop_assert_eq!(row.sequence, before + 1);
                rows.insert(row.id, row);
            }
            connections += usize::from(connected.is_some());
            pair = changed.unwrap_or(pair);
            let open: Vec<_> =
                rows.values().filter(|row| row.lifecycle == Lifecycle::Pending && row.expires_at > time).collect();
            prop_assert!(open.len() <= 1);
            prop_assert_eq!(pair.open_at(time).map(|open| open.id), open.first().map(|row| row.id));
            prop_assert!(connections <= 1);
            prop_assert_eq!(pair.connected_at.is_some(), connections == 1);
            prop_assert_eq!(accounts[0].lifetime_sends + accounts[1].lifetime_sends, sends);
        }
    }
}
