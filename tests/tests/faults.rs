//! Faults of invitations-svc and of its database: what was answered stays true, what was not can be asked again.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use diesel::{RunQueryDsl, connection::SimpleConnection, sql_query};
use proto::invitations::v1::{SendInvitationRequest, SendInvitationResponse};
use tempfile::TempDir;
use tests::{
    clients::{Invitations, id, reason},
    cluster::{Cluster, TestDatabase},
    cut::{Cut, Wire},
    local::Local,
    mail,
    patience::{somebody_waits_for_a_lock, until},
    processes::{Launch, Service},
    system::{LINK_KEY, System},
};
use tonic::{Code, Request};

const PATIENCE: Duration = Duration::from_secs(60);

fn message(inviter: &str, recipient: &str) -> SendInvitationRequest {
    SendInvitationRequest {
        inviter_id: inviter.to_owned(),
        recipient_id: recipient.to_owned(),
        request_id: id(),
        ..SendInvitationRequest::default()
    }
}

/// What a load asked for and what it was answered.
#[derive(Default)]
struct Record {
    asked: Vec<SendInvitationRequest>,
    answered: HashMap<String, SendInvitationResponse>,
}

/// How a load is to end, and how far it is.
#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    answers: AtomicUsize,
}

/// Sends from each of `inviters` to all of `recipients`, one after the other, until it is to stop or an error.
async fn load(
    clients: Invitations,
    inviters: Vec<String>,
    recipients: Vec<String>,
    progress: Arc<Progress>,
) -> Record {
    let mut tasks = Vec::new();
    for inviter in inviters {
        let (clients, recipients, progress) = (clients.clone(), recipients.clone(), progress.clone());
        tasks.push(tokio::spawn(async move {
            let mut record = Record::default();
            for recipient in recipients {
                if progress.stop.load(Ordering::SeqCst) {
                    break;
                }
                let message = message(&inviter, &recipient);
                record.asked.push(message.clone());
                match clients.send_with(message.clone()).await {
                    Ok(answer) => {
                        progress.answers.fetch_add(1, Ordering::SeqCst);
                        record.answered.insert(message.request_id, answer);
                    }
                    Err(_) => break,
                }
            }
            record
        }));
    }
    let mut whole = Record::default();
    for task in tasks {
        let part = task.await.expect("the load does not panic");
        whole.asked.extend(part.asked);
        whole.answered.extend(part.answered);
    }
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_under_load_loses_and_doubles_nothing() {
    const INVITERS: usize = 32;
    let mut system = System::start_with(
        "kill_load",
        |launch| launch.flag("--quota-day", "10000").flag("--quota-week", "10000"),
        |launch| launch.flag("--daily-cap", "0"),
    )
    .await;
    let clients = system.clients();
    let people = clients.crowd(INVITERS + 400).await;
    let mut asked = Vec::new();
    let mut answered = HashMap::new();
    let mut unanswered = 0;
    for round in 0..3 {
        let recipients = people[INVITERS + round * 100..INVITERS + (round + 1) * 100].to_vec();
        let progress = Arc::new(Progress::default());
        let running = tokio::spawn(load(
            system.clients(),
            people[..INVITERS].to_vec(),
            recipients,
            progress.clone(),
        ));
        while progress.answers.load(Ordering::SeqCst) < 50 * (round + 1) && !running.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        system.invitations.kill();
        progress.stop.store(true, Ordering::SeqCst);
        let record = running.await.expect("the load does not panic");
        assert!(
            !record.answered.is_empty(),
            "round {round}: the kill came before any answer"
        );
        unanswered += record.asked.len() - record.answered.len();
        asked.extend(record.asked);
        answered.extend(record.answered);
        system.invitations.restart().await;
    }
    assert!(unanswered > 0, "no kill hit a call under way");

    let clients = system.clients();
    let mut ids = HashSet::new();
    for message in &asked {
        let again = clients
            .send_with(message.clone())
            .await
            .expect("the same request gets an answer");
        if let Some(first) = answered.get(&message.request_id) {
            assert_eq!(&again, first, "the first answer again");
        }
        ids.insert(format!("{:?}", again.outcome));
    }
    assert_eq!(ids.len(), asked.len());
    let mut database = system.invitations_database.connect();
    assert_eq!(count(&mut database, "SELECT count(*) FROM sent"), asked.len());
    assert_eq!(
        count(
            &mut database,
            "SELECT sum(lifetime_sends)::bigint AS count FROM account"
        ),
        asked.len(),
        "each request cost one unit"
    );

    for _ in 0..600 {
        if count(
            &mut database,
            "SELECT count(*) FROM outbox WHERE due_at IS NOT NULL",
        ) == 0
            && mail::all(&system.mail()).len() >= asked.len()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let emails = mail::all(&system.mail());
    assert_eq!(
        emails.len(),
        asked.len(),
        "each invitation reached its recipient once"
    );
    assert_eq!(count(&mut database, "SELECT count(*) FROM outbox_dead"), 0);
}

fn count(connection: &mut diesel::PgConnection, query: &str) -> usize {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let row: Count = sql_query(query).get_result(connection).expect("the query counts");
    row.count.try_into().expect("a count")
}

/// The service on a database that may go away, and where its log is.
async fn alone(database: &TestDatabase) -> (Service, TempDir) {
    let directory = tempfile::tempdir().expect("there is room for files");
    let launch = Launch::new("invitations-svc", directory.path())
        .flag("--database-url", &database.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off");
    (launch.start().await, directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_the_service_says_so_and_recovers_by_itself() {
    let cluster = Cluster::temporary().expect("there is a Postgres");
    let database = cluster.database("down").expect("made");
    let (service, _directory) = alone(&database).await;
    let clients = Invitations::at(service.grpc());
    let people = clients.crowd(3).await;
    clients.invite(&people[0], &people[1]).await;
    cluster.stop();
    let status = clients
        .send(&people[0], &people[2])
        .await
        .expect_err("there is no database");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let status = clients
        .outbox(&people[0])
        .await
        .expect_err("there is no database");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    until(PATIENCE, "the service is not ready", async || {
        !service.is_ready().await
    })
    .await;
    let status = clients
        .send(&people[0], &people[2])
        .await
        .expect_err("there is no database");
    assert_eq!(
        (status.code(), &*reason(&status)),
        (Code::Unavailable, "DATABASE_UNAVAILABLE")
    );
    cluster.start().expect("it comes back");
    until(PATIENCE, "the service is ready", async || {
        service.is_ready().await
    })
    .await;
    clients.invite(&people[0], &people[2]).await;
    assert_eq!(clients.outbox(&people[0]).await.expect("listed").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_database_costs_no_idle_client_a_call() {
    let cluster = Cluster::temporary().expect("there is a Postgres");
    let database = cluster.database("restart").expect("made");
    let (service, _directory) = alone(&database).await;
    let clients = Invitations::at(service.grpc());
    let people = clients.crowd(12).await;
    clients.invite(&people[0], &people[1]).await;
    cluster.restart().expect("it comes back");
    tokio::time::sleep(Duration::from_secs(3)).await;
    until(PATIENCE, "the service is ready", async || {
        service.is_ready().await
    })
    .await;
    for recipient in &people[2..] {
        clients.invite(&people[0], recipient).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_whose_deadline_passed_in_the_queue_is_never_done() {
    let local = Local::start("deadline", &["--committers", "1", "--commit-batch", "1"]).await;
    let clients = local.clients();
    let people = clients.crowd(4).await;
    clients.invite(&people[0], &people[1]).await;
    let mut holder = local.database.connect();
    holder
        .batch_execute("BEGIN; SELECT 1 FROM account FOR UPDATE")
        .expect("locked");
    let first = tokio::spawn({
        let (clients, message) = (clients.clone(), message(&people[0], &people[2]));
        async move { clients.send_with(message).await }
    });
    until(PATIENCE, "the first waits for the lock", async || {
        somebody_waits_for_a_lock(&local.database)
    })
    .await;
    let mut second = Request::new(message(&people[0], &people[3]));
    second.set_timeout(Duration::from_millis(300));
    let mut client = clients.invitations.clone();
    let status = client
        .send_invitation(second)
        .await
        .expect_err("it waits behind the first");
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status:?}"
    );
    holder.batch_execute("COMMIT").expect("unlocked");
    // Whether it was in time is not what this is about.
    let _ = first.await.expect("no panic");
    clients
        .send(&people[1], &people[2])
        .await
        .expect("the committer goes on");
    let sent_to = |recipient: &str| {
        local.count(&format!(
            "SELECT count(*) FROM sent WHERE inviter_id = '{}' AND recipient_id = '{recipient}'",
            people[0]
        ))
    };
    assert_eq!(sent_to(&people[3]), 0, "it waited in the queue");
    assert_eq!(local.spent(&people[0]), 1 + sent_to(&people[2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_somebody_keeps_holds_up_its_own_rows_only_for_a_while() {
    let local = Local::start("kept_lock", &["--committers", "1"]).await;
    let clients = local.clients();
    let people = clients.crowd(6).await;
    clients.invite(&people[0], &people[1]).await;
    let mut holder = local.database.connect();
    let lock = format!(
        "BEGIN; SELECT 1 FROM account WHERE member_id = '{}' FOR UPDATE",
        people[0]
    );
    holder.batch_execute(&lock).expect("locked");
    let held_up = clients
        .send(&people[0], &people[2])
        .await
        .expect_err("its account is locked");
    assert_eq!(held_up.code(), Code::DeadlineExceeded);
    clients.invite(&people[3], &people[4]).await;
    holder.batch_execute("COMMIT").expect("unlocked");
    clients.invite(&people[0], &people[5]).await;
    assert_eq!(
        local.spent(&people[0]),
        clients.outbox(&people[0]).await.expect("listed").len() as i64
    );
}

/// Sends once over a wire that is cut at this send, then again without the wire.
async fn check_cut(hint: &str, cut: Cut, stored_before_the_repetition: i64) {
    let local = Local::start(hint, &[]).await;
    let clients = local.clients();
    let people = clients.crowd(2).await;
    let wire = Wire::to(&local.database.url, cut, b"cut here").await;
    let directory = tempfile::tempdir().expect("there is room for files");
    let launch = Launch::new("invitations-svc", directory.path())
        .flag("--database-url", &wire.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off");
    let service = launch.start().await;
    let message = SendInvitationRequest {
        note: "cut here".to_owned(),
        ..message(&people[0], &people[1])
    };
    let status = Invitations::at(service.grpc())
        .send_with(message.clone())
        .await
        .expect_err("the wire is cut");
    assert_eq!(
        (status.code(), &*reason(&status)),
        (Code::Unavailable, "OUTCOME_UNKNOWN")
    );
    assert_eq!(
        local.count("SELECT count(*) FROM sent"),
        stored_before_the_repetition
    );
    clients
        .send_with(message)
        .await
        .expect("the same request finds out");
    assert_eq!(local.count("SELECT count(*) FROM sent"), 1);
    assert_eq!(local.count("SELECT count(*) FROM outbox"), 1);
    assert_eq!(local.spent(&people[0]), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_whose_commit_lost_its_answer_is_found_by_its_request_id() {
    check_cut("cut_after", Cut::After, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_never_reached_the_database_is_done_by_its_repetition() {
    check_cut("cut_before", Cut::Before, 0).await;
}
