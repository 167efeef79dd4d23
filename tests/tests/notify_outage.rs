//! A database that goes away, or takes no writes, for longer than a lease while an email is in its body.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use proto::notify::v1::EmailState;
use tests::{
    cluster::Cluster,
    emails::{Post, initial},
    processes::Launch,
    smtp_sink::{At, Fault, SmtpSink},
};

const LEASE: Duration = Duration::from_secs(3);

fn launch(launch: Launch, sink: &SmtpSink, lease: Duration) -> Launch {
    launch
        .flag("--smtp-url", sink.url())
        .flag("--lease-seconds", lease.as_secs().to_string())
}

/// The worker lives throughout, and finds the database `later` than the other replica does; its mail server answers
/// long after that.
async fn check(hint: &str, lease: Duration, later: Duration) {
    let cluster = Cluster::temporary().expect("a Postgres of its own");
    let database = cluster.database(hint).expect("a database");
    let sink = SmtpSink::start().await;
    sink.script(At::Body, Fault::Wait);
    let worker = Post::at(database.clone(), |flags, _| launch(flags, &sink, lease)).await;
    let email = initial();
    worker.queue(&email).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    assert_eq!(sink.waiting(), 1, "the email is in its body");
    let other = Post::at(database, |flags, _| launch(flags, &sink, lease)).await;
    // Long enough for the other one to trust what it sees.
    tokio::time::sleep(2 * lease).await;
    cluster.stop();
    tokio::time::sleep(lease + Duration::from_secs(1)).await;
    if !later.is_zero() {
        worker.service.pause();
    }
    cluster.start().expect("it starts again");
    tokio::time::sleep(later).await;
    worker.service.resume();
    tokio::time::sleep(3 * lease).await;
    assert_eq!(sink.received().len(), 1, "nobody doubts a worker that lives");
    sink.let_go();
    other.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn an_outage_longer_than_the_lease_doubles_no_email_whose_worker_lives() {
    check("outage", LEASE, Duration::ZERO).await;
}

#[tokio::test]
async fn a_worker_that_finds_the_database_later_than_others_keeps_its_email() {
    // Others believe in the worker for longer with a longer lease: on a busy machine it needs some of that.
    let lease = 2 * LEASE;
    check("outage_later", lease, lease / 2).await;
}

#[tokio::test]
async fn an_email_whose_worker_died_in_an_outage_is_resent() {
    let cluster = Cluster::temporary().expect("a Postgres of its own");
    let database = cluster.database("outage_dead").expect("a database");
    let sink = SmtpSink::start().await;
    sink.script(At::Body, Fault::Wait);
    let mut worker = Post::at(database.clone(), |flags, _| launch(flags, &sink, LEASE)).await;
    let email = initial();
    worker.queue(&email).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    let other = Post::at(database, |flags, _| launch(flags, &sink, LEASE)).await;
    cluster.stop();
    worker.service.kill();
    cluster.start().expect("it starts again");
    other.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 2);
}

#[tokio::test]
async fn what_was_sent_is_written_down_however_long_the_database_takes_no_writes() {
    let sink = SmtpSink::start().await;
    let post = Post::start("outage_writes", |flags, _| {
        launch(flags, &sink, LEASE).flag("--statement-timeout-ms", "1000")
    })
    .await;
    let email = initial();
    // The mark needs no history, every end does.
    let mut blocking = post.database.connect();
    blocking
        .batch_execute("BEGIN; LOCK TABLE attempt IN ACCESS EXCLUSIVE MODE")
        .expect("locked");
    post.queue(&email).await.expect("applied");
    sink.until_received(1).await;
    tokio::time::sleep(4 * LEASE).await;
    blocking.batch_execute("COMMIT").expect("let go");
    post.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1, "its worker knew that it was taken");
}
