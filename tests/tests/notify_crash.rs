//! Processes that die, stall, or work side by side.

use std::{collections::HashMap, time::Duration};

use clap::Parser;
use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::BigInt};
use jiff::SignedDuration;
use proto::notify::v1::{
    EmailState, QueueEmail, email_command::Command, email_service_client::EmailServiceClient,
};
use shell::{clock::Clock, server::Serving};
use tests::{
    clients::{channel, reason},
    cluster::{self, TestDatabase},
    emails::{Post, apply, initial, reminder},
    http,
    patience::until,
    processes::Launch,
    smtp_sink::{At, Fault, Received, SmtpSink},
    system::LINK_KEY,
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

fn short_lease(launch: Launch, sink: &SmtpSink) -> Launch {
    launch.flag("--smtp-url", sink.url()).flag("--lease-seconds", "1")
}

/// A service whose process waits at `at` with its only email.
async fn stuck(hint: &str, at: At) -> (Post, SmtpSink, QueueEmail) {
    stuck_with(initial(), hint, at).await
}

async fn stuck_with(email: QueueEmail, hint: &str, at: At) -> (Post, SmtpSink, QueueEmail) {
    let sink = SmtpSink::start().await;
    sink.script(at, Fault::Wait);
    let post = Post::start(hint, |launch, _| short_lease(launch, &sink)).await;
    post.queue(&email).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    assert_eq!(sink.waiting(), 1, "the email got there");
    (post, sink, email)
}

async fn metric(post: &Post, line: &str) -> bool {
    let page = http::get(&post.service.page("/metrics")).await.expect("served");
    page.body.lines().any(|found| found == line)
}

#[tokio::test]
async fn an_email_whose_worker_died_before_the_mark_is_sent_once() {
    let (mut post, sink, email) = stuck("killed_before", At::Data).await;
    post.service.kill();
    post.service.restart().await;
    post.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1);
    assert!(metric(&post, "email_lease_expired_total{phase=\"claimed\"} 1").await);
}

#[tokio::test]
async fn an_email_whose_worker_died_after_the_mark_is_resent_once_with_the_same_bytes() {
    let (mut post, sink, email) = stuck("killed_after", At::Body).await;
    post.service.kill();
    post.service.restart().await;
    post.until(&email, EmailState::Sent).await;
    let received = sink.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].bytes, received[1].bytes);
    assert!(metric(&post, "email_lease_expired_total{phase=\"body\"} 1").await);
}

#[tokio::test]
async fn a_reminder_whose_worker_died_after_the_mark_counts_as_sent_and_is_not_sent_twice() {
    let (mut post, sink, email) = stuck_with(reminder(), "killed_reminder", At::Body).await;
    post.service.kill();
    post.service.restart().await;
    post.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1);
    assert!(metric(&post, "email_lease_expired_total{phase=\"body\"} 1").await);
}

#[tokio::test]
async fn a_reminder_whose_worker_died_before_the_mark_is_sent_once() {
    let (mut post, sink, email) = stuck_with(reminder(), "killed_reminder_before", At::Data).await;
    post.service.kill();
    post.service.restart().await;
    post.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn an_email_that_lost_its_worker_twice_after_the_mark_stays_uncertain() {
    let (mut post, sink, email) = stuck("killed_twice", At::Body).await;
    sink.script(At::Body, Fault::Wait);
    post.service.kill();
    post.service.restart().await;
    sink.until(|sink| sink.received().len() == 2).await;
    post.service.kill();
    post.service.restart().await;
    post.until(&email, EmailState::Uncertain).await;
    assert_eq!(sink.received().len(), 2);
    assert_eq!(
        post.cancel(&email.invitation_id, 2).await.expect("applied"),
        (0, 0, 1),
        "it may have been sent"
    );
}

/// A worker that stalls at `at` with its only email while another one takes over and waits in the body; then the first
/// goes on, until it has counted `line` or the email is handed over more than `bodies` times.
async fn taken_over(hint: &str, at: At, line: &str, bodies: usize) -> (Post, Post, SmtpSink, QueueEmail) {
    let (stalled, sink, email) = stuck(hint, at).await;
    stalled.service.pause();
    sink.script(At::Body, Fault::Wait);
    let other = Post::at(stalled.database.clone(), |launch, _| short_lease(launch, &sink)).await;
    sink.until(|sink| sink.waiting() == 2).await;
    assert_eq!(sink.received().len(), bodies, "the other one is in the body");
    sink.let_first_go();
    stalled.service.resume();
    while !metric(&stalled, line).await && sink.received().len() == bodies {
        let open = other.queue(&email).await.expect("answered").state() == EmailState::Open;
        assert!(open, "the stalled worker ended what the other one works on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(sink.received().len(), bodies);
    (stalled, other, sink, email)
}

#[tokio::test]
async fn a_worker_that_stalled_past_its_lease_finishes_nothing() {
    let line = "emails_stale_finish_total 1";
    let (_stalled, other, sink, email) = taken_over("stalled", At::Body, line, 2).await;
    assert_eq!(
        other.queue(&email).await.expect("answered").state(),
        EmailState::Open
    );
    sink.let_go();
    other.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 2, "the second one is the resend");
}

#[tokio::test]
async fn a_worker_that_stalled_before_the_mark_sends_nothing() {
    let line = "emails_unmarked_total 1";
    let (_stalled, other, sink, email) = taken_over("stalled_before", At::Data, line, 1).await;
    sink.let_go();
    other.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn a_slow_mail_server_does_not_cost_a_worker_its_lease() {
    let (post, sink, email) = stuck("slow", At::Body).await;
    // Three leases long.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        post.queue(&email).await.expect("applied").state(),
        EmailState::Open
    );
    sink.let_go();
    post.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1);
}

/// A lock on one claimed email must not hold up the leases of those that were queued after it.
#[tokio::test]
async fn a_row_that_somebody_keeps_locked_costs_no_other_email_its_lease() {
    let (post, sink, locked) = stuck("locked", At::Data).await;
    let email = initial();
    sink.script(At::Body, Fault::Wait);
    post.queue(&email).await.expect("applied");
    sink.until(|sink| sink.waiting() == 2).await;
    let other = Post::at(post.database.clone(), |launch, _| short_lease(launch, &sink)).await;
    let mut locking = post.database.connect();
    locking
        .batch_execute("BEGIN; SELECT FROM due WHERE phase = 1 FOR UPDATE")
        .expect("locked");
    // Longer than a lease and the time after which the other one believes in its end.
    tokio::time::sleep(Duration::from_secs(5)).await;
    locking.batch_execute("COMMIT").expect("let go");
    assert_eq!(sink.received().len(), 1);
    sink.let_go();
    for email in [&email, &locked] {
        other.until(email, EmailState::Sent).await;
    }
    assert_eq!(sink.received().len(), 2);
}

/// Nor may a lock on one email that was sent hold up the ends of the others.
#[tokio::test]
async fn a_row_that_somebody_keeps_locked_keeps_no_other_end_from_being_written() {
    let sink = SmtpSink::start().await;
    let post = Post::start("locked_end", |launch, _| launch.flag("--smtp-url", sink.url())).await;
    let emails: Vec<_> = std::iter::repeat_with(initial).take(12).collect();
    for email in &emails {
        sink.script(At::Body, Fault::Wait);
        post.queue(email).await.expect("applied");
    }
    sink.until(|sink| sink.waiting() == 12).await;
    let (locked, others) = emails.split_first().expect("there are some");
    let locked_id = post.queue(locked).await.expect("it is there").email_id;
    let mut locking = post.database.connect();
    let lock = format!("BEGIN; SELECT FROM email WHERE id = '{locked_id}' FOR UPDATE");
    locking.batch_execute(&lock).expect("locked");
    sink.let_go();
    for email in others {
        post.until(email, EmailState::Sent).await;
    }
    assert_eq!(
        post.queue(locked).await.expect("it is there").state(),
        EmailState::Open
    );
    locking.batch_execute("COMMIT").expect("let go");
    post.until(locked, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 12);
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[tokio::test]
async fn a_process_that_freezes_in_a_transaction_does_not_keep_its_locks() {
    let (post, _sink, _email) = stuck("frozen", At::Data).await;
    let cancelled = initial().invitation_id;
    post.cancel(&cancelled, 1).await.expect("applied");
    let mut database = post.database.connect();
    let lock = format!("SELECT FROM fence WHERE invitation_id = '{cancelled}' FOR UPDATE");
    database.batch_execute(&format!("BEGIN; {lock}")).expect("locked");
    let mut beside = post.database.connect();
    let mut sessions = |about: &str| {
        let query = format!(
            "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() AND {about}"
        );
        let found: Count = sql_query(query).get_result(&mut beside).expect("counted");
        found.count
    };
    let waiting = tokio::spawn(apply(post.client(), vec![tests::emails::cancel(&cancelled, 2)]));
    // Others have sessions, too.
    let locked_out = "wait_event_type = 'Lock' AND query LIKE '%INTO fence%'";
    until(
        Duration::from_secs(30),
        "the cancel waits for the lock",
        async || sessions(locked_out) > 0,
    )
    .await;
    post.service.pause();
    database.batch_execute("COMMIT").expect("let go");
    // Seen for three seconds, unless this process is held up for longer.
    for _ in 0..500 {
        if sessions("state LIKE 'idle in transaction%' AND query LIKE '%INTO fence%'") > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    database
        .batch_execute(&format!("SET lock_timeout = '30s'; {lock}"))
        .expect("nobody keeps it for long");
    post.service.resume();
    assert!(waiting.await.expect("no panic").is_err(), "it was not committed");
}

/// notify-svc in the test's own process, with a clock that is so many seconds ahead, and what stops it.
async fn with_a_clock(
    ahead: i64,
    database: &TestDatabase,
    sink: &SmtpSink,
) -> (Serving, tokio_util::sync::DropGuard) {
    let flags = [
        ["--database-url", &database.url],
        ["--mail-from", "Invitations <invitations@product.example>"],
        ["--link-keys", LINK_KEY],
        ["--pages-url", "http://127.0.0.1"],
        ["--smtp-url", &sink.url()],
        ["--lease-seconds", "1"],
        ["--grpc-addr", "127.0.0.1:0"],
        ["--http-addr", "127.0.0.1:0"],
    ];
    let flags = ["notify-svc"].into_iter().chain(flags.into_iter().flatten());
    let config = notify_svc::Config::try_parse_from(flags).expect("the flags are right");
    let clock = Clock::new(move || Clock::system().now() + SignedDuration::from_secs(ahead));
    let stop = CancellationToken::new();
    let serving = notify_svc::serve(config, clock, stop.clone()).await;
    (serving.expect("it serves"), stop.drop_guard())
}

/// Leases are told by Postgres' clock: neither does a process whose clock is behind lose what it works on, nor does one
/// whose clock is ahead take away what another works on.
#[tokio::test]
async fn a_clock_that_is_wrong_costs_nobody_a_lease() {
    let sink = SmtpSink::start().await;
    let database = cluster::database("clocks");
    sink.script(At::Body, Fault::Wait);
    let (behind, _stop) = with_a_clock(-60, &database, &sink).await;
    let email = initial();
    let queue = || vec![Command::Queue(email.clone())];
    while apply(EmailServiceClient::new(channel(behind.grpc)), queue())
        .await
        .is_err()
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sink.until(|sink| sink.waiting() == 1).await;
    let (_ahead, _stop) = with_a_clock(60, &database, &sink).await;
    let right = Post::at(database, |launch, _| short_lease(launch, &sink)).await;
    // Longer than a lease and the time after which another one believes in its end.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(sink.received().len(), 1);
    assert_eq!(
        right.queue(&email).await.expect("answered").state(),
        EmailState::Open
    );
    sink.let_go();
    right.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn two_replicas_deliver_each_email_once() {
    let sink = SmtpSink::start().await;
    let one = Post::start("replicas", |launch, _| launch.flag("--smtp-url", sink.url())).await;
    let other = Post::at(one.database.clone(), |launch, _| {
        launch.flag("--smtp-url", sink.url())
    })
    .await;
    let emails: Vec<QueueEmail> = std::iter::repeat_with(initial).take(400).collect();
    let commands = |emails: &[QueueEmail]| emails.iter().cloned().map(Command::Queue).collect::<Vec<_>>();
    let (first, second) = emails.split_at(200);
    let (done, also) = tokio::join!(one.apply(commands(first)), other.apply(commands(second)));
    done.and(also).expect("applied");
    sink.until_received(400).await;
    for email in &emails {
        one.until(email, EmailState::Sent).await;
    }
    assert_each_once(&sink.received(), &emails);
}

fn assert_each_once(received: &[Received], emails: &[QueueEmail]) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for email in received {
        *counts.entry(&email.to).or_default() += 1;
    }
    assert_eq!(counts.len(), emails.len());
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

#[tokio::test]
async fn a_shutdown_ends_what_is_in_its_body_and_gives_the_rest_back() {
    let (mut post, sink, email) = stuck("shutdown", At::Body).await;
    let waiting = initial();
    sink.script(At::Data, Fault::WaitThenDrop);
    post.queue(&waiting).await.expect("applied");
    sink.until(|sink| sink.waiting() == 2).await;
    let (ended, ()) = tokio::join!(post.service.stop(), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        sink.let_go();
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
    post.service.restart().await;
    assert_eq!(
        post.queue(&email).await.expect("applied").state(),
        EmailState::Sent,
        "known before the end"
    );
    post.cancel(&waiting.invitation_id, 2).await.expect("applied");
    assert_eq!(sink.received().len(), 1, "the other one did not begin");
}

#[tokio::test]
async fn emails_that_were_accepted_survive_a_kill() {
    let sink = SmtpSink::start().await;
    let mut post = Post::start("survive", |launch, _| {
        // Twice as many are claimed, and may be in flight.
        short_lease(launch, &sink).flag("--smtp-connections", "8")
    })
    .await;
    let emails: Vec<QueueEmail> = std::iter::repeat_with(initial).take(300).collect();
    post.apply(emails.iter().cloned().map(Command::Queue).collect())
        .await
        .expect("applied");
    sink.until(|sink| sink.received().len() >= 20).await;
    post.service.kill();
    let before = sink.received().len();
    assert!(before < 300, "the kill came too late to show anything");
    post.service.restart().await;
    for email in &emails {
        post.until(email, EmailState::Sent).await;
    }
    let mut by_address: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
    for received in sink.received() {
        by_address.entry(received.to).or_default().push(received.bytes);
    }
    assert_eq!(by_address.len(), 300, "none is lost");
    let twice: Vec<&Vec<Vec<u8>>> = by_address.values().filter(|copies| copies.len() > 1).collect();
    assert!(
        twice.len() <= 16,
        "{} were sent twice, more than were in flight",
        twice.len()
    );
    assert!(
        twice
            .iter()
            .all(|copies| copies.len() == 2 && copies[0] == copies[1])
    );
}

#[tokio::test]
async fn without_its_database_the_service_says_unavailable() {
    let cluster = tests::cluster::Cluster::temporary().expect("a Postgres of its own");
    let database = cluster.database("down").expect("a database");
    let sink = SmtpSink::start().await;
    let post = Post::at(database, |launch, _| short_lease(launch, &sink)).await;
    cluster.kill();
    let status = post.queue(&initial()).await.expect_err("refused");
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "DATABASE_UNAVAILABLE")
    );
    while post.service.is_ready().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.start().expect("it starts again");
    let email = initial();
    post.until(&email, EmailState::Sent).await;
}
