//! The service under force: what the mail servers were given is checked against what callers were told.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query,
};
use futures_util::future::join_all;
use proto::notify::v1::{
    EmailState, QueueEmail, email_command::Command, email_command_result::Result as Told,
    email_service_client::EmailServiceClient,
};
use rand::Rng;
use tests::{
    clients::id,
    cluster::{Cluster, TestDatabase},
    emails::{Post, acceptance, apply, cancel, counts, initial, reminder, reply},
    http, ledger,
    processes::Launch,
    smtp_sink::{At, Fault, SmtpSink},
};
use tonic::transport::Channel;

/// Neither cap nor digest, so that one email is one body.
fn plain(launch: Launch, sink: &SmtpSink) -> Launch {
    launch
        .flag("--smtp-url", sink.url())
        .flag("--pages-url", "https://mail.product.example")
        .flag("--daily-cap", "0")
        .flag("--digest-from", "0")
}

/// Emails of all kinds to a few readers each.
fn mixed(count: usize) -> Vec<QueueEmail> {
    let readers: Vec<String> = (0..count / 5).map(|_| id()).collect();
    let kinds = [initial, reminder, acceptance, reply];
    let email = |nth: usize| {
        let mut email = kinds[nth % kinds.len()]();
        if let Some(recipient) = &mut email.recipient {
            recipient.member_id.clone_from(&readers[nth % readers.len()]);
        }
        email
    };
    (0..count).map(email).collect()
}

fn queued_id(told: Told) -> String {
    match told {
        Told::Queue(queued) => queued.email_id,
        Told::Cancel(counts) => panic!("a queue command was answered with {counts:?}"),
    }
}

/// Queues all emails, a hundred in a call, at one process after the other; a call without an answer is made again. Answers
/// their ids.
async fn queue_all(
    clients: Vec<EmailServiceClient<Channel>>,
    emails: Vec<QueueEmail>,
    pause: Duration,
) -> Vec<String> {
    let mut ids = Vec::with_capacity(emails.len());
    let mut clients = clients.iter().cycle();
    for batch in emails.chunks(100) {
        let commands: Vec<Command> = batch.iter().cloned().map(Command::Queue).collect();
        let told = loop {
            let client = clients.next().expect("there is one").clone();
            match apply(client, commands.clone()).await {
                Ok(told) => break told,
                Err(_unknown) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        ids.extend(told.into_iter().map(queued_id));
        tokio::time::sleep(pause).await;
    }
    ids
}

/// Waits until nothing is open. Panics when that takes more than a minute.
async fn drained(database: &TestDatabase) {
    for _ in 0..1_200 {
        if ledger::count(database, "due") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} emails are open still", ledger::count(database, "due"));
}

/// The sum of a metric over its labels.
async fn metric(post: &Post, name: &str) -> f64 {
    let page = http::get(&post.service.page("/metrics"))
        .await
        .expect("served")
        .body;
    let values = page.lines().filter_map(|line| {
        let (found, value) = line.rsplit_once(' ')?;
        (found.split('{').next() == Some(name)).then(|| value.parse::<f64>().expect("a number"))
    });
    values.sum()
}

/// `accepted = sum(outcomes) + open`, with nothing open, over processes that lived throughout.
async fn assert_metrics_agree(posts: [&Post; 2], accepted: usize) {
    let mut sums = [0.0; 2];
    for post in posts {
        sums[0] += metric(post, "emails_accepted_total").await;
        sums[1] += metric(post, "emails_outcome_total").await;
    }
    let accepted = accepted as f64;
    assert_eq!(sums, [accepted, accepted], "accepted, outcomes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_emails_survive_kill_dash_nine_every_two_seconds() {
    const EMAILS: usize = 10_000;
    const CONNECTIONS: usize = 16;
    let sink = SmtpSink::start().await;
    sink.always(At::Body, Fault::Slow(Duration::from_millis(20)));
    let mut post = Post::start("chaos_kill", |launch, _| {
        let connections = CONNECTIONS.to_string();
        plain(launch, &sink)
            .flag("--lease-seconds", "1")
            .flag("--smtp-connections", connections)
    })
    .await;
    let pause = Duration::from_millis(100);
    let queueing = tokio::spawn(queue_all(vec![post.client()], mixed(EMAILS), pause));
    let (mut kills, mut in_body) = (0, 0);
    while sink.copies() < EMAILS - 4 * CONNECTIONS {
        let time = rand::rng().random_range(1_600..2_400);
        tokio::time::sleep(Duration::from_millis(time)).await;
        post.service.kill();
        kills += 1;
        in_body += ledger::count(&post.database, "due WHERE phase = 2");
        post.service.restart().await;
    }
    let ids = queueing.await.expect("queued");
    drained(&post.database).await;
    let summary = ledger::check(&post.database, &ids, &[&sink], 0);
    println!("{kills} kills, {in_body} emails in their body, {summary:?}");
    assert!(kills >= 5, "{kills} kills");
    assert!(
        in_body > 0 && summary.doubled > 0,
        "{in_body}: the kills hit nothing"
    );
    let ended = summary.count(EmailState::Sent.into()) + summary.count(EmailState::Uncertain.into());
    assert_eq!(ended, EMAILS);
    let most = i64::try_from(2 * CONNECTIONS * kills).expect("few");
    assert!(
        summary.lost <= most,
        "{} in doubt after {kills} kills",
        summary.lost
    );
}

/// Open emails, and which worker holds each, of those that are as `which` says.
fn claims(database: &TestDatabase, which: &str) -> HashSet<(String, String)> {
    #[derive(QueryableByName)]
    struct Claim {
        #[diesel(sql_type = diesel::sql_types::Text)]
        id: String,
        #[diesel(sql_type = diesel::sql_types::Text)]
        worker: String,
    }
    let claims = format!("SELECT email_id::text AS id, leased_by::text AS worker FROM due WHERE {which}");
    let claims: Vec<Claim> = sql_query(claims)
        .load(&mut database.connect())
        .expect("the queue can be read");
    claims.into_iter().map(|claim| (claim.id, claim.worker)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_stopped_past_its_leases_ends_nothing_that_another_took_over() {
    const EMAILS: usize = 3_000;
    let (sink, others) = (SmtpSink::start().await, SmtpSink::start().await);
    for sink in [&sink, &others] {
        sink.always(At::Data, Fault::Slow(Duration::from_millis(5)));
        sink.always(At::Body, Fault::Slow(Duration::from_millis(30)));
    }
    let short = |launch, sink| {
        plain(launch, sink)
            .flag("--lease-seconds", "1")
            .flag("--smtp-connections", "4")
    };
    let stopped = Post::start("chaos_stop", |launch, _| short(launch, &sink)).await;
    let other = Post::at(stopped.database.clone(), |launch, _| short(launch, &others)).await;
    let clients = vec![stopped.client(), other.client()];
    let ids = queue_all(clients, mixed(EMAILS), Duration::ZERO).await;
    let mut late = 0;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        stopped.service.pause();
        // What it has asked the database for is done by and by.
        let held = claims(&stopped.database, "leased_by IS NOT NULL");
        let mut begun = HashSet::new();
        for _ in 0..25 {
            let in_body = claims(&stopped.database, "phase = 2");
            begun.extend(held.intersection(&in_body).map(|(id, _worker)| id.clone()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(2_200)).await;
        let closed: HashSet<String> = ledger::accounts(&stopped.database)
            .into_values()
            .filter_map(|account| (account.state != EmailState::Open as i16).then_some(account.id))
            .collect();
        let done = closed.len() == EMAILS;
        let before = sink.received().len();
        stopped.service.resume();
        tokio::time::sleep(Duration::from_millis(500)).await;
        for email in &sink.received()[before..] {
            let id = ledger::email_id(email);
            assert!(
                !closed.contains(&id) || begun.contains(&id),
                "{id} was closed, and the process that had been stopped began its body"
            );
            late += usize::from(closed.contains(&id));
        }
        if done {
            break;
        }
    }
    drained(&stopped.database).await;
    let summary = ledger::check(&stopped.database, &ids, &[&sink, &others], 0);
    let stale = metric(&stopped, "emails_stale_finish_total").await;
    println!("{stale} stale ends, {late} bodies after the fact, {summary:?}");
    assert!(stale > 0.0, "nothing was taken over");
    assert_metrics_agree([&stopped, &other], EMAILS).await;
}

/// Ends up to three of the server's other connections.
fn terminate_some(database: &TestDatabase) {
    let statement = "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 3) AS others";
    // There may be no place for us.
    if let Ok(mut connection) = PgConnection::establish(&database.url) {
        connection
            .batch_execute(statement)
            .expect("the server ends connections");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_fails_in_every_way_costs_no_email() {
    const EMAILS: usize = 4_000;
    let cluster = Cluster::temporary().expect("a Postgres of its own");
    let database = cluster.database("chaos_database").expect("a database");
    let sink = SmtpSink::start().await;
    sink.always(At::Body, Fault::Slow(Duration::from_millis(20)));
    let flags = |launch| {
        plain(launch, &sink)
            .flag("--lease-seconds", "2")
            .flag("--smtp-connections", "4")
    };
    let one = Post::at(database.clone(), |launch, _| flags(launch)).await;
    let other = Post::at(database.clone(), |launch, _| flags(launch)).await;
    let clients = vec![one.client(), other.client()];
    let queueing = tokio::spawn(queue_all(clients, mixed(EMAILS), Duration::from_millis(250)));
    for round in 0..2 {
        for _ in 0..12 {
            terminate_some(&database);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        cluster.kill();
        tokio::time::sleep(Duration::from_millis(500)).await;
        cluster.start().expect("it recovers");
        tokio::time::sleep(Duration::from_secs(1)).await;
        if round == 0 {
            // Somebody else takes every connection that there is, and ours are lost.
            let url = format!("{}&application_name=greedy", database.url);
            let mut greedy = Vec::new();
            for _ in 0..16 {
                while let Ok(connection) = PgConnection::establish(&url) {
                    greedy.push(connection);
                }
                let ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE backend_type = 'client backend' AND application_name <> 'greedy'";
                greedy[0].batch_execute(ours).expect("the greedy one is served");
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            assert!(greedy.len() > 250, "{} connections were to be had", greedy.len());
        }
        cluster.restart().expect("it starts again");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let ids = queueing.await.expect("queued");
    drained(&database).await;
    let summary = ledger::check(&database, &ids, &[&sink], 0);
    println!("{summary:?}");
    let ended = summary.count(EmailState::Sent.into()) + summary.count(EmailState::Uncertain.into());
    assert_eq!(ended, EMAILS);
    assert_metrics_agree([&one, &other], EMAILS).await;
}

/// Queues emails in one call and cancels them, a few in a call, each call at its own random moment. Answers ids
/// and counts.
async fn race(
    clients: [EmailServiceClient<Channel>; 2],
    emails: &[QueueEmail],
    longest: Duration,
) -> Vec<(String, (i32, i32, i32))> {
    let commands = emails.iter().cloned().map(Command::Queue).collect();
    let queued = apply(clients[0].clone(), commands).await.expect("applied");
    let ids: Vec<String> = queued.into_iter().map(queued_id).collect();
    let cancels = emails.chunks(4).map(async |emails| {
        let moment = longest.mul_f64(rand::rng().random_range(0.0..1.0));
        tokio::time::sleep(moment).await;
        let client = clients[rand::rng().random_range(0..2)].clone();
        let commands = emails.iter().map(|email| cancel(&email.invitation_id, 2));
        apply(client, commands.collect()).await.expect("applied")
    });
    let told = join_all(cancels)
        .await
        .into_iter()
        .flatten()
        .map(|told| match told {
            Told::Cancel(result) => counts(&result),
            Told::Queue(result) => panic!("a cancel command was answered with {result:?}"),
        });
    ids.into_iter().zip(told).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_cancels_that_race_with_the_sending_keep_their_promise() {
    const RACES: usize = 10_000;
    let sink = SmtpSink::start().await;
    let flags = |launch| plain(launch, &sink).flag("--smtp-connections", "8");
    let one = Post::start("chaos_cancel", |launch, _| flags(launch)).await;
    let other = Post::at(one.database.clone(), |launch, _| flags(launch)).await;
    let emails = mixed(RACES);
    let mut told = HashMap::new();
    // Follows the machine's speed, so that both sides win often.
    let mut longest = Duration::from_millis(50);
    for (at, batch) in emails.chunks(40).enumerate() {
        let clients = [&one, &other].map(Post::client);
        let (first, second) = (at % 2, 1 - at % 2);
        let clients = [clients[first].clone(), clients[second].clone()];
        let raced = race(clients, batch, longest).await;
        let cancelled = raced.iter().filter(|(_, counts)| *counts == (1, 0, 0)).count();
        let factor = if cancelled * 4 > batch.len() * 3 { 1.2 } else { 0.8 };
        longest = longest.mul_f64(factor).min(Duration::from_secs(1));
        told.extend(raced);
    }
    drained(&one.database).await;
    let count = |of: (i32, i32, i32)| told.values().filter(|counts| **counts == of).count();
    let (cancelled, sent, in_flight) = (count((1, 0, 0)), count((0, 1, 0)), count((0, 0, 1)));
    println!("{cancelled} cancelled, {sent} sent, {in_flight} in flight");
    assert_eq!(
        cancelled + sent + in_flight,
        RACES,
        "each cancel counts its email once"
    );
    let often = RACES / 20;
    assert!(
        cancelled >= often && sent + in_flight >= often,
        "no race: {cancelled} cancelled, {sent} sent, {in_flight} in flight"
    );
    let ids: Vec<String> = told.keys().cloned().collect();
    let summary = ledger::check(&one.database, &ids, &[&sink], 0);
    assert_eq!(summary.count(EmailState::Cancelled.into()), cancelled);
    assert_eq!(summary.lost, 0);
    for email in sink.received() {
        let counts = told[&ledger::email_id(&email)];
        assert_ne!(counts, (1, 0, 0), "a cancelled email began its body");
    }
    assert_metrics_agree([&one, &other], RACES).await;
}

/// A transaction elsewhere that sees the past keeps vacuum from removing anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_elsewhere_does_not_make_the_hot_table_grow() {
    const EMAILS: usize = 10_000;
    const REFUSALS: usize = 30_000;
    const MIB: i64 = 1_024 * 1_024;
    let sink = SmtpSink::start().await;
    for _ in 0..REFUSALS {
        sink.script(At::Rcpt, Fault::Reply("451 4.3.0 later"));
    }
    let post = Post::start("bloat", |launch, _| {
        let at_once = ["0"; 20].join(",");
        plain(launch, &sink)
            .flag("--retry-delays", at_once)
            .flag("--lease-seconds", "3")
    })
    .await;
    let mut elsewhere = post.database.connect();
    elsewhere
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM email")
        .expect("begun");
    let size = || {
        ledger::count(
            &post.database,
            "generate_series(1, pg_relation_size('due') / 8192)",
        ) * 8_192
    };
    let queueing = tokio::spawn(queue_all(vec![post.client()], mixed(EMAILS), Duration::ZERO));
    let mut most = 0;
    while !queueing.is_finished() || ledger::count(&post.database, "due") > 0 {
        most = most.max(size());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ids = queueing.await.expect("queued");
    let moved = "moved the open emails to fresh files";
    let moves = post.service.log().matches(moved).count();
    println!("at most {most} bytes, {moves} moves, {} bytes at the end", size());
    assert!(moves > 0, "the table did not grow: this shows nothing");
    assert!(most < 20 * MIB, "{most} bytes");
    assert!(size() < most / 2, "{most} bytes, and {} at the end", size());
    elsewhere.batch_execute("COMMIT").expect("ended");
    let summary = ledger::check(&post.database, &ids, &[&sink], 20);
    assert_eq!(summary.count(EmailState::Sent.into()), EMAILS);
}

type Forgotten = (Cluster, SmtpSink, [Post; 2], QueueEmail);

/// Two processes with a reminder, the first of which waits before the body with a claim that the database has forgotten in
/// a crash: a claim's commit does not wait for the disk. The other one is paused.
async fn forgotten(hint: &str) -> Forgotten {
    for _ in 0..5 {
        if let Some(forgotten) = try_forgotten(hint).await {
            return forgotten;
        }
    }
    panic!("the database remembers each claim");
}

/// None where the claim got to the disk all the same: with what somebody else's commit waited for, or by the server's timer.
async fn try_forgotten(hint: &str) -> Option<Forgotten> {
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
        ledger::count(&post.database, "due"),
        1,
        "what was acknowledged is there"
    );
    let is_forgotten = ledger::count(&post.database, "due WHERE lease_epoch = 0") == 1;
    is_forgotten.then_some((cluster, sink, [post, other], email))
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
