//! The service under force: what the mail servers were given is checked against what callers were told.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use proto::notify::v1::{EmailState, QueueEmail};
use tests::{
    cluster::Cluster,
    emails::{Post, reminder},
    ledger,
    processes::Launch,
    smtp_sink::{At, Fault, SmtpSink},
};

/// Neither cap nor digest, so that one email is one body.
fn plain(launch: Launch, sink: &SmtpSink) -> Launch {
    launch
        .flag("--smtp-url", sink.url())
        .flag("--daily-cap", "0")
        .flag("--digest-from", "0")
}

/// Two processes with a reminder, the first of which waits before the body with a claim that the database has forgotten in
/// a crash: a claim's commit does not wait for the disk. The other one is paused.
async fn forgotten(hint: &str) -> (Cluster, SmtpSink, [Post; 2], QueueEmail) {
    let cluster = Cluster::temporary().expect("a Postgres of its own");
    let database = cluster.database(hint).expect("a database");
    let sink = SmtpSink::start().await;
    sink.script(At::Data, Fault::Wait);
    sink.script(At::Body, Fault::Wait);
    let post = Post::at(database.clone(), |launch, _| plain(launch, &sink)).await;
    let other = Post::at(database, |launch, _| plain(launch, &sink)).await;
    other.service.pause();
    // What nobody waits for stays in memory.
    for statement in [
        "ALTER SYSTEM SET wal_writer_delay = '10s'",
        "SELECT pg_reload_conf()",
    ] {
        let mut connection = post.database.connect();
        connection.batch_execute(statement).expect("the server is ours");
    }
    let email = reminder();
    post.queue(&email).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    cluster.kill();
    post.service.pause();
    cluster.start().expect("it starts again");
    assert_eq!(
        ledger::count(&post.database, "due WHERE lease_epoch = 0"),
        1,
        "the claim is forgotten"
    );
    (cluster, sink, [post, other], email)
}

/// The reminder is claimed again, with the same fencing token. Whatever the first claim's worker does now, one goes out.
async fn goes_out_once(sink: &SmtpSink, post: &Post, email: &QueueEmail) {
    sink.let_first_go();
    sink.until(|sink| !sink.received().is_empty()).await;
    // Long enough for whoever wrongly finds it due.
    tokio::time::sleep(Duration::from_secs(2)).await;
    sink.let_go();
    post.until(email, EmailState::Sent).await;
    let id = post.queue(email).await.expect("answered").email_id;
    ledger::check(&post.database, &[id], &[sink], 0);
}

#[tokio::test]
async fn a_claim_that_the_database_forgot_is_made_again_by_its_worker_and_sent_once() {
    let (_cluster, sink, [post, _other], email) = forgotten("forgotten").await;
    post.service.resume();
    while ledger::count(&post.database, "due WHERE lease_epoch = 1") == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    goes_out_once(&sink, &post, &email).await;
}

#[tokio::test]
async fn a_claim_that_the_database_forgot_ends_nothing_for_whoever_made_it_again() {
    let (_cluster, sink, [post, other], email) = forgotten("forgotten_other").await;
    other.service.resume();
    sink.until(|sink| sink.waiting() == 2).await;
    assert_eq!(sink.received().len(), 1, "the other one is in the body");
    post.service.resume();
    goes_out_once(&sink, &other, &email).await;
}
