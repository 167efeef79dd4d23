//! What operators rely on: a shutdown that ends, logs without personal data, migrations that go back, clear refusals.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use diesel::{PgConnection, RunQueryDsl, connection::SimpleConnection, sql_query};
use proto::invitations::v1::{Member, SendInvitationRequest};
use tests::{
    clients::{id, member, reason},
    cluster, http, mail,
    patience::{comes, somebody_waits_for_a_lock, until},
    processes::{self, Launch, Service},
    system::{LINK_KEY, System},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tonic::Code;
use tonic_types::StatusExt;

const PATIENCE: Duration = Duration::from_secs(30);

fn invitations(hint: &str, directory: &std::path::Path) -> Launch {
    Launch::new("invitations-svc", directory)
        .flag("--database-url", cluster::database(hint).url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off")
}

#[tokio::test]
async fn a_peer_that_says_nothing_does_not_hold_up_a_shutdown() {
    let directory = tempfile::tempdir().expect("there is room for files");
    let mut service = invitations("silent", directory.path())
        .flag("--shutdown-ms", "500")
        .start()
        .await;
    let silent = TcpStream::connect(service.grpc()).await.expect("it listens");
    let mut half = TcpStream::connect(service.grpc()).await.expect("it listens");
    half.write_all(b"PRI * HT").await.expect("sent");
    let status = service.stop().await.expect("it ends by itself");
    assert!(status.success(), "{status}");
    drop((silent, half));
}

#[tokio::test]
async fn a_log_that_cannot_be_written_holds_up_neither_work_nor_shutdown() {
    let without_room = |mut launch: Launch| {
        launch.log = "/dev/full".into();
        launch
    };
    let mut system = System::start_with("full_disk", without_room, without_room).await;
    let clients = system.clients();
    let [ada] = clients.new_members(["Ada"]).await;
    let ben = member("Ben");
    clients.upsert(vec![ben.clone()]).await.expect("taken");
    clients.invite(&ada, &ben.member_id).await;
    let email = mail::wait_for(&system.mail(), &ben.email, PATIENCE).await;
    assert!(email.is_some(), "no email comes");
    for service in [&mut system.invitations, &mut system.notify] {
        let status = service.stop().await.expect("it ends by itself");
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn a_database_that_says_nothing_does_not_hold_up_a_shutdown() {
    let directory = tempfile::tempdir().expect("there is room for files");
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let database = format!("postgres://u@{}/x", silent.local_addr().expect("bound"));
    let launches = [
        Launch::new("invitations-svc", directory.path()).flag("--link-keys", LINK_KEY),
        Launch::new("notify-svc", directory.path())
            .flag("--mail-dir", directory.path())
            .flag("--mail-from", "a@product.example")
            .flag("--pages-url", "https://mail.product.example")
            .flag("--link-keys", LINK_KEY),
    ];
    for launch in launches {
        let launch = launch
            .flag("--database-url", &database)
            .flag("--shutdown-ms", "500");
        let mut service = launch.spawn().expect("it starts");
        let (_connected, _) = silent.accept().await.expect("it tries to connect");
        let status = service.stop().await.expect("it ends by itself");
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn a_call_under_way_is_answered_before_a_shutdown() {
    let directory = tempfile::tempdir().expect("there is room for files");
    let database = cluster::database("drain");
    let mut service = Launch::new("invitations-svc", directory.path())
        .flag("--database-url", &database.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off")
        .start()
        .await;
    let clients = tests::clients::Invitations::at(service.grpc());
    let [ada, ben, cleo] = clients.new_members(["Ada", "Ben", "Cleo"]).await;
    clients.invite(&ada, &ben).await;
    let mut holder = database.connect();
    holder
        .batch_execute("BEGIN; SELECT 1 FROM account FOR UPDATE")
        .expect("locked");
    let call = tokio::spawn({
        let (clients, ada, cleo) = (clients.clone(), ada.clone(), cleo.clone());
        async move { clients.send(&ada, &cleo).await }
    });
    until(PATIENCE, "the call waits for the lock", async || {
        somebody_waits_for_a_lock(&database)
    })
    .await;
    let stopping = tokio::spawn(async move { service.stop().await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    holder.batch_execute("COMMIT").expect("unlocked");
    call.await.expect("no panic").expect("the call is answered");
    assert!(
        stopping
            .await
            .expect("no panic")
            .expect("it ends by itself")
            .success()
    );
}

#[tokio::test]
async fn what_waits_for_notify_svc_is_counted() {
    let mut system = System::start("waiting").await;
    system.notify.kill();
    let clients = system.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    clients.invite(&ada, &ben).await;
    for line in ["outbox_waiting 1", "feed_waiting 0"] {
        let end = Instant::now() + PATIENCE;
        loop {
            let page = http::get(&system.invitations.page("/metrics"))
                .await
                .expect("served");
            if page.body.lines().any(|found| found == line) {
                break;
            }
            assert!(Instant::now() < end, "{line}:\n{}", page.body);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn what_the_feed_takes_while_the_relay_forgets_it_is_delivered_once() {
    let system = System::start_with(
        "forgets",
        |launch| launch.flag("--feed", "record"),
        |launch| launch,
    )
    .await;
    let clients = system.clients();
    let mut feed = system.invitations_database.connect();
    let mut rounds = Vec::new();
    // Where the relay's call or its wait for the lock took too long, it delivers again, and rightly.
    for _ in 0..3 {
        let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
        let before = deliveries(&system.notify).await;
        system.notify.pause();
        clients.invite(&ada, &ben).await;
        until(PATIENCE, "the relay has the transition", async || {
            let claimed = "SELECT 1 FROM outbox WHERE attempts > 0";
            sql_query(claimed).execute(&mut feed).expect("asked") > 0
        })
        .await;
        feed.batch_execute("BEGIN; UPDATE outbox SET unfed = false")
            .expect("placed");
        system.notify.resume();
        let met = comes(Duration::from_secs(10), async || {
            somebody_waits_for_a_lock(&system.invitations_database)
        })
        .await;
        feed.batch_execute("COMMIT").expect("placed");
        until(2 * PATIENCE, "the outbox is empty", async || {
            let waiting = "SELECT 1 FROM outbox";
            sql_query(waiting).execute(&mut feed).expect("asked") == 0
        })
        .await;
        rounds.push((met, deliveries(&system.notify).await - before));
        if rounds.ends_with(&[(true, 1)]) {
            return;
        }
    }
    panic!("whether they met, and how often it was delivered: {rounds:?}");
}

/// How many calls of the relay notify-svc has answered.
async fn deliveries(notify: &Service) -> u64 {
    let metrics = http::get(&notify.page("/metrics")).await.expect("served");
    let is_call =
        |line: &&str| line.starts_with("grpc_requests_total") && line.contains("ApplyEmailCommands");
    let count = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
    let calls = metrics.body.lines().filter(is_call);
    calls.map(|line| count(line).expect("a line has a count")).sum()
}

#[tokio::test]
async fn no_log_line_has_a_name_an_address_a_text_or_a_token() {
    let system = System::start_with(
        "canaries",
        |launch| launch.flag("--log-level", "debug"),
        |launch| launch.flag("--log-level", "debug"),
    )
    .await;
    let clients = system.clients();
    let canary = |name: &str, email: &str| Member {
        name: name.to_owned(),
        email: email.to_owned(),
        ..member("")
    };
    let ada = canary("Canaryname Adler", "canaryada@example.com");
    let ben = canary("Canaryname Berger", "canaryben@example.com");
    clients
        .upsert(vec![ada.clone(), ben.clone()])
        .await
        .expect("taken");
    let message = SendInvitationRequest {
        inviter_id: ada.member_id.clone(),
        recipient_id: ben.member_id.clone(),
        note: "canarynote".to_owned(),
        recipient_email: "canaryguess@example.com".to_owned(),
        request_id: id(),
        ..SendInvitationRequest::default()
    };
    clients.send_with(message.clone()).await.expect("sent");
    let wrong = SendInvitationRequest {
        note: "canarynote\0".to_owned(),
        ..message
    };
    assert_eq!(
        clients.send_with(wrong).await.expect_err("wrong").code(),
        Code::InvalidArgument
    );
    let found = mail::wait_for(&system.mail(), &ben.email, Duration::from_secs(30))
        .await
        .expect("it comes");
    let link = found
        .link(&system.invitations.page("/i/"))
        .expect("it has the link")
        .to_owned();
    http::get(&link).await.expect("it answers");
    http::post(&format!("{link}/accept"), &[])
        .await
        .expect("it answers");
    mail::wait_for(&system.mail(), &ada.email, Duration::from_secs(30))
        .await
        .expect("it comes");

    let token = link.rsplit('/').next().expect("a link has a token");
    for log in [system.invitations.log(), system.notify.log()] {
        assert!(log.lines().count() > 3, "the services log something");
        for line in log.lines() {
            let found = line.to_lowercase().contains("canary") || line.contains(token);
            assert!(!found, "{line}");
        }
    }
}

#[tokio::test]
async fn every_migration_goes_back_and_forth() {
    for (service, hint) in [("invitations-svc", "back_i"), ("notify-svc", "back_n")] {
        let database = cluster::database(hint);
        let directory = format!("{}/../{service}/migrations", env!("CARGO_MANIFEST_DIR"));
        let mut migrations: Vec<_> = std::fs::read_dir(directory)
            .expect("there are migrations")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        migrations.sort();
        let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a script");
        let mut connection = database.connect();
        let mut shapes = Vec::new();
        for _ in 0..2 {
            for migration in &migrations {
                connection
                    .batch_execute(&read(&migration.join("up.sql")))
                    .expect("it goes forth");
            }
            shapes.push(relations(&mut connection));
            for migration in migrations.iter().rev() {
                connection
                    .batch_execute(&read(&migration.join("down.sql")))
                    .expect("it goes back");
            }
            assert_eq!(relations(&mut connection), 0, "{service}: nothing is left");
        }
        assert!(shapes[0] > 0);
        assert_eq!(shapes[0], shapes[1]);
    }
}

fn migrate(service: &str, url: &str) -> std::process::Output {
    let binary = processes::binary(service).expect("it is built");
    let mut command = Command::new(binary);
    command.args(["migrate", "--database-url", url]);
    command.output().expect("it runs")
}

/// Another service's, or one of a newer version: what it holds would be misunderstood.
#[test]
fn a_database_with_unknown_migrations_is_refused() {
    let database = cluster::database("foreign");
    assert!(migrate("notify-svc", &database.url).status.success());
    let refused = migrate("invitations-svc", &database.url);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("does not know") && said.contains("DATABASE_URL"),
        "{said}"
    );
}

#[tokio::test]
async fn settings_that_postgres_refuses_are_named_and_keep_the_service_unready() {
    let directory = tempfile::tempdir().expect("a directory");
    let launch =
        invitations("wrong_session", directory.path()).flag("--commit-session", "enable_seqscan=maybe");
    let mut service = launch.spawn().expect("it starts");
    let named = || {
        service
            .log()
            .contains("--commit-session: Postgres refuses enable_seqscan=maybe")
    };
    until(PATIENCE, "the log names the flag", async || named()).await;
    assert!(!service.is_ready().await);
    service.kill();
}

/// A standby after a failover, a full disk.
#[tokio::test]
async fn while_the_database_takes_no_writes_callers_are_told_to_come_again() {
    let system = System::start("read_only").await;
    let clients = system.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let mut database = system.invitations_database.connect();
    let name = "SELECT format('ALTER DATABASE %I SET default_transaction_read_only TO on', current_database()) AS text";
    let alter: Text = sql_query(name).get_result(&mut database).expect("asked");
    sql_query(&alter.text).execute(&mut database).expect("altered");
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sql_query(others).execute(&mut database).expect("ended");
    for _ in 0..20 {
        let refused = clients.send(&ada, &ben).await.expect_err("it takes no writes");
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert_eq!(reason(&refused), "DATABASE_UNAVAILABLE");
        assert!(refused.get_error_details().retry_info().is_some());
    }
    let is_ready = async || system.invitations.is_ready().await;
    until(PATIENCE, "reads go on", is_ready).await;
    let refused = clients.send(&ada, &ben).await.expect_err("it takes no writes");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let told = "the database takes no writes";
    assert!(system.invitations.log().contains(told), "{refused}");
    let alter = alter.text.replace(" TO on", " TO off");
    let mut database = system.invitations_database.connect();
    sql_query("SET default_transaction_read_only TO off")
        .execute(&mut database)
        .expect("set");
    sql_query(alter).execute(&mut database).expect("altered");
    // No connection of before is kept.
    let sends = async || clients.send(&ada, &ben).await.is_ok();
    until(PATIENCE, "it takes writes again", sends).await;
}

#[derive(diesel::QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

/// How many tables, indexes and functions there are.
fn relations(connection: &mut PgConnection) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let query = "SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                         WHERE n.nspname = 'public') \
                 + (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
                    WHERE n.nspname = 'public') AS count";
    let row: Count = sql_query(query).get_result(connection).expect("counted");
    row.count
}

/// What a binary says on its way out, and that it does not start.
fn refusal(binary: &str, verb: &str, flags: &[&str]) -> String {
    let output = Command::new(processes::binary(binary).expect("built"))
        .arg(verb)
        .args(flags)
        .env_clear()
        .output()
        .expect("it runs");
    assert!(!output.status.success(), "{binary} {verb} {flags:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_setting_is_named_before_anything_starts() {
    let database = ["--database-url", "postgres:///x?host=/nowhere"];
    let keys = ["--link-keys", LINK_KEY];
    for verb in ["serve", "check-config"] {
        let open = [&database[..], &keys, &["--grpc-addr", "0.0.0.0:0"]].concat();
        assert!(refusal("invitations-svc", verb, &open).contains("--tokens-file"));
        let short = [&database[..], &["--link-keys", "short"]].concat();
        let said = refusal("invitations-svc", verb, &short);
        assert!(
            said.contains("--link-keys") && said.contains("openssl rand"),
            "{said}"
        );
        let remote = [
            &["--database-url", "postgres://u:hunter2@db.example/x"][..],
            &keys,
        ]
        .concat();
        let said = refusal("invitations-svc", verb, &remote);
        assert!(
            said.contains("verify-full") && !said.contains("hunter2"),
            "{said}"
        );
    }
    assert!(refusal("invitations-svc", "serve", &keys).contains("--database-url"));
}
