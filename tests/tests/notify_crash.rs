//! Processes that die, stall, or work side by side.

use std::{collections::HashMap, time::Duration};

use proto::notify::v1::{EmailState, QueueEmail, email_command::Command};
use tests::{
    clients::reason,
    emails::{Post, initial, reminder},
    http,
    processes::Launch,
    smtp_sink::{At, Fault, Received, SmtpSink},
};
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

#[tokio::test]
async fn two_replicas_deliver_each_email_once() {
    let sink = SmtpSink::start().await;
    let one = Post::start("replicas", |launch, _| short_lease(launch, &sink)).await;
    let other = Post::at(one.database.clone(), |launch, _| short_lease(launch, &sink)).await;
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
