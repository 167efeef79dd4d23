//! Both services at work on every hot path, and what their Postgres says of it.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use proto::{
    invitations::v1::Folder,
    notify::v1::{email_command::Command, email_service_client::EmailServiceClient},
};
use tests::{
    clients::{Act, Invitations, channel},
    cluster::{Cluster, TestDatabase},
    emails::{self, apply, cancel},
    feed::Feed,
    ledger::count,
    processes::Launch,
    server_log::{self, Executed},
    system::System,
};
use tokio::sync::OnceCell;

use super::hot::HOT;

/// How often each path is taken: a connection that chooses between plans has chosen after five.
const TIMES: usize = 8;

/// Longest wait for what workers do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The load, which runs once for all tests of this process.
pub(crate) struct Load {
    /// All that was executed.
    pub(crate) executed: Vec<Executed>,
    /// Major version of the server.
    pub(crate) major: i64,
}

/// What is in the tables when plans are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tables {
    Filled,
    /// Nothing, and Postgres knows: the worst that a plan can be made by.
    Empty,
}

pub(crate) async fn load() -> &'static Load {
    static LOAD: OnceCell<Load> = OnceCell::const_new();
    LOAD.get_or_init(|| run(Tables::Filled)).await
}

/// The same on empty tables.
pub(crate) async fn load_of_empty() -> Load {
    run(Tables::Empty).await
}

async fn run(tables: Tables) -> Load {
    let cluster = Cluster::temporary().expect("Postgres is installed");
    server_log::begin(&cluster);
    let databases = ["invitations", "notify"].map(|name| cluster.database(name).expect("a database is made"));
    let mut system = System::start_on(databases, one_connection, one_connection).await;
    system.invitations.kill();
    system.notify.kill();
    if tables == Tables::Filled {
        run_script(&system.invitations_database, include_str!("invitations.sql"));
        run_script(&system.notify_database, include_str!("notify.sql"));
    }
    for database in [&system.invitations_database, &system.notify_database] {
        run_script(database, "VACUUM ANALYZE");
    }
    system.notify.restart().await;
    system.invitations.restart().await;
    let before = server_log::length(&cluster);
    let clients = system.clients();
    for _ in 0..TIMES {
        invite(&system, &clients).await;
        email(&system).await;
    }
    // What is moved by workers is moved within seconds, and what they look for they look for every few seconds.
    let end = Instant::now() + PATIENCE;
    loop {
        let executed = server_log::executed_since(&cluster, before);
        let is_complete = HOT.iter().all(|hot| hot.of(&executed).count() >= 2);
        if is_complete || Instant::now() > end {
            let version = "generate_series(1, current_setting('server_version_num')::int / 10000)";
            let major = count(&system.notify_database, version);
            return Load { executed, major };
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// One connection for reads, so that it is known how often it has executed a statement before it settles on a plan.
fn one_connection(launch: Launch) -> Launch {
    launch.flag("--database-connections", "1")
}

fn run_script(database: &TestDatabase, script: &str) {
    let mut connection = database.connect();
    connection.batch_execute(script).expect("nobody else is there");
}

/// One invitation for each thing that can become of one, by which all are read.
async fn invite(system: &System, clients: &Invitations) {
    let people = clients.new_members(["A", "B", "C", "D", "E", "F"]).await;
    let [ada, others @ ..] = &people;
    let mut invited = Vec::new();
    for other in others {
        invited.push(clients.invite(ada, other).await.invitation_id);
    }
    clients.outbox(ada).await.expect("listed");
    for other in others {
        clients.folder(other, Folder::Inbox).await.expect("listed");
    }
    let acts = [
        Act::Accept,
        Act::Reply,
        Act::Ignore,
        Act::Withdraw,
        Act::StopReminders,
    ];
    for ((act, other), id) in acts.into_iter().zip(others).zip(&invited) {
        clients.act(act, act.of(ada, other), id).await.expect("done");
    }
    clients.decline(&others[4], &invited[4]).await;
    clients.sent(ada, &invited[0]).await.expect("there");
    clients.received(&others[0], &invited[0]).await.expect("there");
    clients.replies(ada, &invited[1]).await.expect("listed");
    clients.connections(ada).await.expect("listed");
    clients.summary(&others[0], ada).await.expect("summed up");
    Feed::at(system.invitations.grpc()).first(ada, "", 5).await;
    Feed::at(system.invitations.grpc()).first("", "", 5).await;
}

/// Emails that go out, one of them queued twice, and one that is cancelled.
async fn email(system: &System) {
    let client = EmailServiceClient::new(channel(system.notify.grpc()));
    let initial = emails::initial();
    for email in [
        initial.clone(),
        initial,
        emails::reminder(),
        emails::reply(),
        emails::acceptance(),
    ] {
        let told = apply(client.clone(), vec![Command::Queue(email)]).await;
        told.expect("queued");
    }
    let stopped = emails::initial();
    let cancel = cancel(&stopped.invitation_id, 2);
    let told = apply(client, vec![Command::Queue(stopped), cancel]).await;
    told.expect("applied");
}
