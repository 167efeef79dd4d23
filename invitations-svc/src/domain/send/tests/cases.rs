//! The ways in which a send of Ada's to Ben can find things.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::{
    account::{Account, Restriction, RestrictionKind},
    command::{Moment, Send},
    invitation::{Folder, Invitation, Lifecycle, Received, Sent},
    member::{Addressee, InvitationPolicy},
    pair::{Open, Pair, PairKey},
    policy::{AfterDecline, Policy},
    send::{Facts, send},
    time_log::TimeLog,
    transition::Decision,
    world::{ADA, Address, BEN},
};

/// The id of the invitation that is open before the send.
pub(super) const BEFORE: Uuid = Uuid::from_u128(99);
/// Sends in a day, pending invitations and connections that the cases allow.
const DAY: usize = 50;
const OUTSTANDING: usize = 4;
const CONNECTIONS: usize = 6;

/// Who of the two there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Both,
    NoInviter,
    ErasedInviter,
    NoRecipient,
}

/// Who has as many connections as one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Neither,
    Inviter,
    Recipient,
}

/// One way to find things.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) there: There,
    pub(super) connected: bool,
    /// Who invited whom, in which folder it lies, how many hours ago.
    pub(super) open: Option<(Uuid, Folder, i64)>,
    pub(super) restricted: Option<RestrictionKind>,
    pub(super) email_required: bool,
    pub(super) accepts: InvitationPolicy,
    pub(super) barred: bool,
    pub(super) address: Address,
    pub(super) sends_to_pair: usize,
    pub(super) day_is_full: bool,
    pub(super) granted: usize,
    pub(super) outstanding_is_full: bool,
    pub(super) full: Full,
    pub(super) after_decline: AfterDecline,
}

pub(super) fn today() -> Timestamp {
    Timestamp::from_second(1_795_000_000).expect("in range")
}

fn ago(hours: i64) -> Timestamp {
    today() - SignedDuration::from_hours(hours)
}

/// Takes a number apart into choices.
struct Choices(usize);

impl Choices {
    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn below(&mut self, count: usize) -> usize {
        let choice = self.0 % count;
        self.0 /= count;
        choice
    }
}

impl Case {
    /// How many cases there are where both exist, are not connected, and folder and age make no difference.
    const CORE: usize = 5 * 3 * 2 * 3 * 2 * 3 * 3 * 2 * 2 * 2 * 3 * 2;
    /// How many there are in all.
    const ALL: usize = Self::CORE / 5 * (2 * 4 * 3 + 1) * 4 * 2;

    /// All of the core, and every so many-th of all cases.
    pub(super) fn some() -> impl Iterator<Item = Self> {
        let core = (0..Self::CORE).map(Self::core);
        // A prime that divides no number of choices meets every combination of a few of them.
        core.chain((0..Self::ALL).step_by(53).map(Self::any))
    }

    fn core(number: usize) -> Self {
        let mut choices = Choices(number);
        let fresh = |inviter| Some((inviter, Folder::Inbox, 1));
        let expired = |inviter| Some((inviter, Folder::Inbox, 180 * 24));
        let open = choices.of(&[None, fresh(ADA), fresh(BEN), expired(ADA), expired(BEN)]);
        Self::of(There::Both, false, open, choices)
    }

    fn any(number: usize) -> Self {
        use Folder::{Archived, Barred, Declined, Inbox};
        let mut choices = Choices(number);
        let place = choices.below(25);
        let open = (place > 0).then(|| {
            let mut place = Choices(place - 1);
            (
                place.of(&[ADA, BEN]),
                place.of(&[Inbox, Archived, Declined, Barred]),
                place.of(&[1, 24, 180 * 24]),
            )
        });
        let there = choices.of(&[
            There::Both,
            There::NoInviter,
            There::ErasedInviter,
            There::NoRecipient,
        ]);
        let connected = choices.of(&[false, true]);
        Self::of(there, connected, open, choices)
    }

    fn of(there: There, connected: bool, open: Option<(Uuid, Folder, i64)>, mut choices: Choices) -> Self {
        use InvitationPolicy::{Everyone, KnowsMyEmail, Nobody};
        use RestrictionKind::{EmailRequired, Suspended};
        Self {
            there,
            connected,
            open,
            restricted: choices.of(&[None, Some(EmailRequired), Some(Suspended)]),
            email_required: choices.of(&[false, true]),
            accepts: choices.of(&[Everyone, KnowsMyEmail, Nobody]),
            barred: choices.of(&[false, true]),
            address: choices.of(&[Address::Missing, Address::Wrong, Address::Right]),
            sends_to_pair: choices.of(&[0, 2, 3]),
            day_is_full: choices.of(&[false, true]),
            granted: choices.of(&[0, 1]),
            outstanding_is_full: choices.of(&[false, true]),
            full: choices.of(&[Full::Neither, Full::Inviter, Full::Recipient]),
            after_decline: choices.of(&[AfterDecline::Refuse, AfterDecline::Silent]),
        }
    }

    /// Whether this member's invitation waits for an answer.
    pub(super) fn is_open_from(&self, inviter_id: Uuid) -> bool {
        let open = self.open.filter(|_| !self.connected);
        open.is_some_and(|(inviter, _, hours)| inviter == inviter_id && hours < 180 * 24)
    }

    /// Whether something that the recipient hides stands against it.
    pub(super) fn is_hidden(&self) -> bool {
        self.barred || self.accepts == InvitationPolicy::Nobody
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            quota_day: DAY,
            quota_outstanding: OUTSTANDING,
            max_connections: CONNECTIONS,
            after_decline: self.after_decline,
            ..Policy::default()
        }
    }

    pub(super) fn command(&self) -> Send {
        Send {
            inviter_id: ADA,
            recipient_id: BEN,
            note: "hello".to_owned(),
            recipient_email: match self.address {
                Address::Missing => None,
                Address::Wrong => Some("wrong@example.com".to_owned()),
                Address::Right => Some("BEN@example.com".to_owned()),
            },
            reminders: true,
            entropy: [7; 10],
        }
    }

    /// The inviter's account before the send.
    pub(super) fn inviter(&self) -> Account {
        let own = self
            .open
            .filter(|(inviter, ..)| *inviter == ADA && !self.connected);
        let others = if self.outstanding_is_full {
            OUTSTANDING
        } else {
            OUTSTANDING - 1
        };
        let sends_today = if self.day_is_full { DAY } else { DAY - 1 };
        Account {
            erased: self.there == There::ErasedInviter,
            sends: TimeLog::new(vec![ago(1); sends_today]),
            lifetime_sends: sends_today,
            granted: self.granted,
            outstanding: others + usize::from(own.is_some()),
            overdue: usize::from(own.is_some() && !self.is_open_from(ADA)),
            connections: if self.full == Full::Inviter {
                CONNECTIONS
            } else {
                CONNECTIONS - 1
            },
            restriction: self.restricted.map(|kind| Restriction { kind, until: None }),
            ..Account::unused(ADA)
        }
    }

    /// The recipient's account before the send.
    pub(super) fn recipient(&self) -> Account {
        let theirs = self.open.is_some_and(|(inviter, ..)| inviter == BEN);
        Account {
            outstanding: usize::from(theirs),
            connections: if self.full == Full::Recipient {
                CONNECTIONS
            } else {
                CONNECTIONS - 1
            },
            ..Account::unused(BEN)
        }
    }

    /// What the two have with each other before the send.
    pub(super) fn pair(&self) -> Pair {
        let mut pair = Pair::strangers(PairKey::of(ADA, BEN));
        pair.connected_at = self.connected.then(|| ago(1));
        pair.open = self.invitation().map(|before| Open {
            id: before.sent.id,
            inviter_id: before.sent.inviter_id,
            until: before.sent.expires_at,
        });
        let side = pair.from_mut(ADA);
        side.sends = TimeLog::new(vec![ago(30); self.sends_to_pair]);
        side.barred = self.barred;
        side.email_required = self.email_required;
        pair
    }

    pub(super) fn invitation(&self) -> Option<Invitation> {
        let (inviter, folder, hours) = self.open.filter(|_| !self.connected)?;
        let recipient = if inviter == ADA { BEN } else { ADA };
        Some(invitation(inviter, recipient, folder, ago(hours)))
    }

    pub(super) fn decide(&self) -> Decision {
        self.judged_by(send)
    }

    /// What a rule says of it.
    pub(super) fn judged_by<T>(&self, rule: impl FnOnce(&Send, &Facts, Moment) -> T) -> T {
        let (inviter, recipient, pair, open) =
            (self.inviter(), self.recipient(), self.pair(), self.invitation());
        let addressee = Addressee {
            policy: self.accepts,
            email: "ben@example.com".to_owned(),
        };
        let facts = Facts {
            account: (self.there != There::NoInviter).then_some(&inviter),
            recipient: (self.there != There::NoRecipient).then_some(&addressee),
            theirs: Some(&recipient),
            pair: &pair,
            open: open.as_ref(),
        };
        let moment = Moment {
            now: today(),
            policy: &self.policy(),
        };
        rule(&self.command(), &facts, moment)
    }
}

fn invitation(inviter_id: Uuid, recipient_id: Uuid, folder: Folder, sent_at: Timestamp) -> Invitation {
    let expires_at = sent_at + SignedDuration::from_hours(180 * 24);
    let note = "before".to_owned();
    Invitation {
        sent: Sent {
            inviter_id,
            id: BEFORE,
            recipient_id,
            note: note.clone(),
            lifecycle: Lifecycle::Pending,
            sent_at,
            expires_at,
            closed_at: None,
        },
        received: Received {
            recipient_id,
            id: BEFORE,
            inviter_id,
            note,
            lifecycle: Lifecycle::Pending,
            folder,
            sequence: 4,
            sent_at,
            expires_at,
            closed_at: None,
            emailed_at: sent_at,
            reminders: true,
            reminders_left: 0,
            replies: 0,
            due_at: Some(expires_at),
        },
    }
}

#[test]
fn a_core_case_is_one_of_all() {
    let window = Duration::from_secs(180 * 24 * 60 * 60);
    assert_eq!(Case::core(0).policy().open_for, window);
    assert!(Case::core(1).is_open_from(ADA) && Case::core(2).is_open_from(BEN));
    assert!(!Case::core(3).is_open_from(ADA), "its time is over");
}
