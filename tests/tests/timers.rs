//! Reminders and expiries: what a worker does when its time has come, and that nobody can tell from it.

use std::time::Duration;

use jiff::SignedDuration;
use proto::invitations::v1::{ReceivedState, RestrictionKind, SendInvitationRequest, SentState};
use tests::{
    clients::{Act, Invitations},
    files, http,
    local::Local,
    operators::Operators,
    processes::Launch,
    system::LINK_KEY,
};

/// Numbers of `outbox.event`.
const REMINDED: i64 = 12;
const EXPIRED: i64 = 9;

fn events(local: &Local, event: i64) -> i64 {
    local.count(&format!("SELECT count(*) FROM outbox WHERE event = {event}"))
}

fn overdue(local: &Local) -> i64 {
    let now = local.time.now();
    local.count(&format!("SELECT count(*) FROM received WHERE due_at <= '{now}'"))
}

/// Waits until a worker has looked at everything that is due.
async fn settled(local: &Local) {
    for _ in 0..600 {
        if overdue(local) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} invitations stay due", overdue(local));
}

async fn days_later(local: &Local, days: i64) {
    local.time.step(SignedDuration::from_hours(24 * days));
    settled(local).await;
}

async fn invited(hint: &str, flags: &[&str]) -> (Local, Invitations, [String; 2], String) {
    let local = Local::start(hint, flags).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let invitation = clients.invite(&ada, &ben).await;
    (local, clients, [ada, ben], invitation.invitation_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_in_the_inbox_is_reminded_of_after_7_and_21_days_and_never_again() {
    let (local, clients, [ada, ben], invitation) = invited("remind", &[]).await;
    for (days, reminders) in [(6, 0), (1, 1), (13, 1), (1, 2), (100, 2)] {
        days_later(&local, days).await;
        assert_eq!(events(&local, REMINDED), reminders, "{days} days later");
    }
    let numbers = local.count("SELECT coalesce(sum(number), 0)::bigint AS count FROM outbox WHERE event = 12 AND due_at IS NOT NULL");
    assert_eq!(numbers, 1 + 2);
    let received = clients.received(&ben, &invitation).await.expect("found");
    assert_eq!(received.state(), ReceivedState::Pending);
    let sent = clients.sent(&ada, &invitation).await.expect("found");
    assert_eq!(sent.state(), SentState::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_weeks_at_once_are_one_reminder_and_the_next_keeps_its_distance() {
    let (local, ..) = invited("five_weeks", &[]).await;
    for (days, reminders) in [(35, 1), (13, 1), (1, 2)] {
        days_later(&local, days).await;
        assert_eq!(events(&local, REMINDED), reminders, "{days} days later");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_the_waiting_ends_the_reminders() {
    for act in [
        Act::Accept,
        Act::Reply,
        Act::Ignore,
        Act::Withdraw,
        Act::StopReminders,
    ] {
        let (local, clients, [ada, ben], invitation) = invited("ends", &[]).await;
        days_later(&local, 7).await;
        assert_eq!(events(&local, REMINDED), 1);
        let actor = match act {
            Act::Withdraw | Act::StopReminders => &ada,
            Act::Accept | Act::Reply | Act::Ignore | Act::Restore | Act::Decline => &ben,
        };
        clients.act(act, actor, &invitation).await.expect("done");
        if act == Act::Ignore {
            clients.restore(&ben, &invitation).await;
        }
        days_later(&local, 30).await;
        assert_eq!(events(&local, REMINDED), 1, "after {act:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_reminders_for_an_invitation_gets_none() {
    let local = Local::start("unwanted", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let message = SendInvitationRequest {
        inviter_id: ada,
        recipient_id: ben,
        reminders: Some(false),
        ..SendInvitationRequest::default()
    };
    clients.send_with(message).await.expect("sent");
    days_later(&local, 30).await;
    assert_eq!(events(&local, REMINDED), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_inviter_s_reminders_pause() {
    let (local, _, [ada, _], _) = invited("pause", &[]).await;
    let operators = Operators::at(local.grpc());
    operators
        .impose(&ada, RestrictionKind::EmailRequired, None)
        .await
        .expect("imposed");
    days_later(&local, 10).await;
    assert_eq!(events(&local, REMINDED), 0);
    operators.lift(&ada, false).await.expect("lifted");
    days_later(&local, 1).await;
    assert_eq!(events(&local, REMINDED), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_is_seen_at_its_instant_whatever_the_worker_does() {
    let (local, clients, [ada, ben], invitation) = invited("instant", &["--timers", "off"]).await;
    local.time.step(SignedDuration::from_hours(24 * 180));
    let seen = async || {
        let sent = clients.sent(&ada, &invitation).await.expect("found");
        let received = clients.received(&ben, &invitation).await.expect("found");
        (sent, received)
    };
    let before = seen().await;
    assert_eq!(
        (before.0.state(), before.1.state()),
        (SentState::Expired, ReceivedState::Expired)
    );
    assert_eq!(
        local.count("SELECT count(*) FROM sent WHERE lifecycle = 4"),
        0,
        "nobody noted it"
    );

    let now = local.time.now();
    local.execute(&format!("UPDATE received SET due_at = '{now}'"));
    let directory = files::directory();
    // Another process has the machine's clock, which is behind the test's: it notes nothing before its time.
    let service = Launch::new("invitations-svc", &directory)
        .flag("--database-url", &local.database.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off")
        .start()
        .await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    drop(service);
    assert_eq!(seen().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_noted_expiry_changes_nothing_that_anybody_sees_and_gives_room_back() {
    let flags = ["--quota-outstanding", "1", "--reminder-days", "none"];
    let (local, clients, [ada, ben], invitation) = invited("noted", &flags).await;
    let sent = clients.sent(&ada, &invitation).await.expect("found");
    days_later(&local, 180).await;
    assert_eq!(events(&local, EXPIRED), 1);
    assert_eq!(local.count("SELECT count(*) FROM sent WHERE lifecycle = 4"), 1);
    assert_eq!(
        local.count("SELECT sum(outstanding)::bigint AS count FROM account"),
        0
    );
    let expired = clients.sent(&ada, &invitation).await.expect("found");
    assert_eq!(expired.state(), SentState::Expired);
    assert_eq!(
        (expired.expire_time, expired.accept_time),
        (sent.expire_time, None)
    );
    let received = clients.received(&ben, &invitation).await.expect("found");
    assert_eq!(received.state(), ReceivedState::Expired);
    clients.invite(&ada, &ben).await;
}

/// Invitations whose reminder is due, for processes of their own: those have the machine's clock, so it is made due by hand.
async fn reminders_due(hint: &str, pairs: usize) -> Local {
    let local = Local::start(hint, &["--timers", "off"]).await;
    let clients = local.clients();
    for two in clients.crowd(2 * pairs).await.chunks(2) {
        clients.invite(&two[0], &two[1]).await;
    }
    local.execute("UPDATE received SET due_at = '2000-01-01'");
    local
}

/// A process with workers on the same database.
fn beside(local: &Local) -> Launch {
    Launch::new("invitations-svc", &files::directory())
        .flag("--database-url", &local.database.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off")
}

async fn reminded(local: &Local) {
    for _ in 0..600 {
        if local.count("SELECT count(*) FROM received WHERE due_at <= '2000-01-01'") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("some stay due");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_remind_once() {
    const PAIRS: usize = 300;
    let local = reminders_due("two_workers", PAIRS).await;
    let services = [beside(&local).start().await, beside(&local).start().await];
    reminded(&local).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(events(&local, REMINDED), PAIRS as i64);
    drop(services);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_leaves_room_in_a_short_queue() {
    let local = reminders_due("short_queue", 100).await;
    let service = beside(&local).flag("--commit-queue", "4").start().await;
    reminded(&local).await;
    // An answer is counted a moment after its commit.
    for _ in 0..600 {
        let metrics = http::get(&service.page("/metrics")).await.expect("served").body;
        assert!(!metrics.contains("ledger_refused_total"), "{metrics}");
        if metrics.contains("timers_decided_total{done=\"yes\"} 100") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("some were decided and not counted");
}
