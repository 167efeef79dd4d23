//! What holds after every step, whatever three members, operators and workers do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    World,
    steps::{Step, policies, steps},
};
use crate::domain::{
    command::{Act, Answer as How, Operate},
    ids::created_at,
    invitation::{Folder, Invitation, Lifecycle, Received},
    member::InvitationPolicy,
    pair::{Pair, PairKey, Side},
    policy::Policy,
    refusal::Refusal,
    transition::{Answer, Changes, Decision, Event, EventKind},
};

/// What the rows do not tell.
#[derive(Default)]
struct History {
    /// Sends that had to be paid for, and sends that operators granted.
    charged: BTreeMap<Uuid, usize>,
    granted: BTreeMap<Uuid, usize>,
    /// The last sequence number of each invitation.
    sequences: BTreeMap<Uuid, i64>,
    /// When each invitation's last initial email was owed.
    emailed_at: BTreeMap<Uuid, Timestamp>,
    reminders: BTreeMap<Uuid, usize>,
    /// Invitations that were ignored or replied to: no reminder follows.
    answered: BTreeSet<Uuid>,
    /// Invitations whose last send reached nobody.
    unreached: BTreeSet<Uuid>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_rows_never_get_out_of_step(policy in policies(), steps in steps()) {
        run(policy, &steps);
    }
}

fn run(policy: Policy, steps: &[Step]) {
    let mut world = World::with(policy);
    let mut history = History::default();
    for step in steps {
        let Some(act) = world.act_of(step) else {
            check_rows(&world, &history);
            continue;
        };
        let before = world.clone();
        let Decision { changes, answer } = world.judge(act.clone());
        check_refusal(&answer, &changes);
        world.apply(changes);
        history.charge(&act, &answer);
        for event in &world.events[before.events.len()..] {
            check_event(&before, event, &mut history);
        }
        check_rows(&world, &history);
        check_kept(&before, &world, &act);
    }
}

impl History {
    fn charge(&mut self, act: &Act, answer: &Result<Answer, Refusal>) {
        if let Act::Send(send) = act {
            let is_sent = matches!(answer, Ok(Answer::Sent(_)));
            let is_wrong = *answer == Err(Refusal::EmailRequired) && send.recipient_email.is_some();
            let costs = is_sent || is_wrong || *answer == Err(Refusal::CannotInviteMember);
            *self.charged.entry(send.inviter_id).or_default() += usize::from(costs);
        }
        if let Act::Operate(operation) = act
            && let Operate::Grant { count } = operation.what
            && answer.is_ok()
        {
            *self.granted.entry(operation.member_id).or_default() += count;
        }
    }
}

/// A refusal writes nothing but what a send costs.
fn check_refusal(answer: &Result<Answer, Refusal>, changes: &Changes) {
    let (accounts, pair) = match answer {
        Ok(_) => return,
        Err(Refusal::CannotInviteMember) => (1, true),
        Err(Refusal::EmailRequired) => (changes.accounts.len().min(1), false),
        Err(_) => (0, false),
    };
    let expected = Changes {
        accounts: changes.accounts.clone(),
        pair: changes.pair.clone(),
        ..Changes::default()
    };
    assert_eq!(*changes, expected);
    assert_eq!((changes.accounts.len(), changes.pair.is_some()), (accounts, pair));
}

/// The contract's table of emails; `before` is what the event met.
fn check_event(before: &World, event: &Event, history: &mut History) {
    let id = event.invitation_id;
    if event.kind == EventKind::Disconnected {
        assert!(!event.mails && !event.hidden);
        return;
    }
    let last = history.sequences.entry(id).or_default();
    *last += 1;
    assert_eq!(event.sequence, *last, "no gap: {event:?}");
    assert_eq!(event.happened_at, before.now);

    let gates = before.pair(event.inviter_id, event.recipient_id);
    let barred = gates.from(event.inviter_id).barred;
    let accepts_nobody = before.members.get(&event.recipient_id);
    let accepts_nobody = accepts_nobody.is_some_and(|member| member.policy == InvitationPolicy::Nobody);
    let lies_nowhere = before
        .received
        .get(&id)
        .is_some_and(|row| row.folder == Folder::Barred);
    let pause = SignedDuration::from_hours(24);
    let emailed_today = history
        .emailed_at
        .get(&id)
        .is_some_and(|at| *at + pause > before.now);
    let (hidden, mails) = match event.kind {
        EventKind::Sent | EventKind::Resent if barred || accepts_nobody => (true, false),
        EventKind::Sent => (false, true),
        EventKind::Resent => (false, !emailed_today),
        EventKind::Accepted => (false, true),
        EventKind::Replied | EventKind::Ignored | EventKind::Reminded => (false, true),
        EventKind::Withdrawn | EventKind::Expired | EventKind::Voided | EventKind::RemindersStopped => {
            (lies_nowhere, true)
        }
        EventKind::Restored | EventKind::Declined => (false, false),
        EventKind::Disconnected => unreachable!("it is of no invitation"),
    };
    assert_eq!((event.hidden, event.mails), (hidden, mails), "{event:?}");

    match event.kind {
        EventKind::Sent | EventKind::Resent if hidden => drop(history.unreached.insert(id)),
        EventKind::Sent | EventKind::Resent => {
            history.unreached.remove(&id);
            if mails {
                history.emailed_at.insert(id, before.now);
            }
        }
        EventKind::Replied | EventKind::Ignored => drop(history.answered.insert(id)),
        EventKind::Reminded => check_reminder(before, event, history),
        EventKind::Accepted
        | EventKind::Restored
        | EventKind::Declined
        | EventKind::Withdrawn
        | EventKind::Expired
        | EventKind::Voided
        | EventKind::Disconnected
        | EventKind::RemindersStopped => {}
    }
}

fn check_reminder(before: &World, event: &Event, history: &mut History) {
    let id = event.invitation_id;
    let row = &before.received[&id];
    assert_eq!((row.folder, row.reminders), (Folder::Inbox, true));
    assert!(!history.answered.contains(&id), "an answer ends the reminders");
    assert_eq!(before.accounts[&event.inviter_id].restricted(before.now), None);
    assert!(row.expires_at > before.now);
    let count = history.reminders.entry(id).or_default();
    *count += 1;
    assert!(*count <= 2, "two ever");
    let not_before = before.policy.reminders_after[event.number - 1];
    assert!(event.number >= *count && before.now >= created_at(id) + not_before);
}

fn check_rows(world: &World, history: &History) {
    for (id, account) in &world.accounts {
        let pending = world.pending_of(*id).count();
        assert_eq!(account.outstanding, pending);
        let connections = world
            .connections
            .iter()
            .filter(|key| key.lo == *id || key.hi == *id);
        assert_eq!(account.connections, connections.count());
        let granted = history.granted.get(id).copied().unwrap_or_default();
        let charged = history.charged.get(id).copied().unwrap_or_default();
        assert_eq!(account.lifetime_sends + granted - account.granted, charged);
    }
    for (key, pair) in &world.pairs {
        assert_eq!(pair.connected_at.is_some(), world.connections.contains(key));
        check_open(world, pair);
    }
    for (id, sent) in &world.sent {
        let received = &world.received[id];
        let invitation = Invitation {
            sent: sent.clone(),
            received: received.clone(),
        };
        check_books_agree(&invitation, history.unreached.contains(id));
        check_received(world, received);
        assert_eq!(received.sequence, history.sequences[id]);
    }
}

/// Two members have one open invitation at most, and their pair names it.
fn check_open(world: &World, pair: &Pair) {
    let of_pair = |row: &&Received| PairKey::of(row.inviter_id, row.recipient_id) == pair.key;
    let is_open = |row: &&Received| row.lifecycle == Lifecycle::Pending && row.expires_at > world.now;
    let open: Vec<_> = world
        .received
        .values()
        .filter(of_pair)
        .filter(is_open)
        .map(|row| (row.id, row.inviter_id, row.expires_at))
        .collect();
    let named: Vec<_> = pair
        .open_at(world.now)
        .iter()
        .map(|open| (open.id, open.inviter_id, open.until))
        .collect();
    assert_eq!(open, named);
    assert!(pair.connected_at.is_none() || open.is_empty());
}

fn check_books_agree(Invitation { sent, received }: &Invitation, unreached: bool) {
    assert_eq!(sent.inviter_id, received.inviter_id);
    assert_eq!(sent.recipient_id, received.recipient_id);
    assert_eq!(sent.lifecycle, received.lifecycle);
    assert_eq!(sent.expires_at, received.expires_at);
    assert_eq!(sent.closed_at, received.closed_at);
    if !unreached {
        assert_eq!((&sent.note, sent.sent_at), (&received.note, received.sent_at));
    }
}

fn check_received(world: &World, row: &Received) {
    let is_pending = row.lifecycle == Lifecycle::Pending;
    assert_eq!(
        row.due_at.is_some(),
        is_pending,
        "whatever is pending is looked at"
    );
    assert!(row.due_at.is_none_or(|at| at <= row.expires_at));
    if row.folder == Folder::Barred && row.lifecycle != Lifecycle::Accepted {
        assert_eq!(row.state(world.now), None);
    }
    if row.folder != Folder::Inbox {
        assert!(!row.can_be_reminded());
    }
}

/// What an act of its kind leaves as it was.
fn check_kept(before: &World, after: &World, act: &Act) {
    for (id, sent) in &before.sent {
        if sent.lifecycle != Lifecycle::Pending {
            assert_eq!(after.sent[id], *sent, "what has ended stays as it ended");
            assert_eq!(after.received[id], before.received[id]);
        }
    }
    if let Act::Answer(answering) = act
        && answering.answer != How::Accept
    {
        assert_eq!(after.sent, before.sent, "the inviter sees accepts only");
    }
    for (key, pair) in &before.pairs {
        for inviter_id in [key.lo, key.hi] {
            let now = &after.pairs[key];
            check_ban_kept(inviter_id, pair.from(inviter_id), now.from(inviter_id), act);
        }
    }
    for (id, account) in &before.accounts {
        let operates = matches!(act, Act::Operate(operation) if operation.member_id == *id);
        let may_restrict = operates || declines(act);
        let now = &after.accounts[id];
        assert!(may_restrict || (&account.restriction, &account.strikes) == (&now.restriction, &now.strikes));
        let changed = account.restriction != now.restriction;
        assert!(
            !changed || after.audits.len() > before.audits.len(),
            "every restriction leaves an entry"
        );
    }
}

fn declines(act: &Act) -> bool {
    matches!(act, Act::Answer(answering) if answering.answer == How::Decline)
}

/// Only the one who declined, an operator and a connection that ends lift a ban.
fn check_ban_kept(inviter_id: Uuid, before: &Side, after: &Side, act: &Act) {
    let is_lift = |what| matches!(what, Operate::LiftBan { .. });
    let by_operator = matches!(act, Act::Operate(operation) if is_lift(operation.what));
    let lifts = by_operator || matches!(act, Act::Disconnect(_));
    let invites_them = matches!(act, Act::Send(send) if send.recipient_id == inviter_id);
    match (before.barred, after.barred) {
        (true, false) => assert!(lifts || invites_them, "{act:?}"),
        (false, true) => assert!(declines(act), "{act:?}"),
        (true, true) | (false, false) => {}
    }
    let recalls = matches!(act, Act::Recall(_));
    match (before.email_required, after.email_required) {
        (true, false) => assert!(lifts, "{act:?}"),
        (false, true) => assert!(recalls, "{act:?}"),
        (true, true) | (false, false) => {}
    }
}
