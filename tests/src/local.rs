//! invitations-svc inside the test's own process, with a clock that the test sets. It relays to nobody, unless its flags
//! say to whom.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use clap::Parser;
use diesel::{
    RunQueryDsl, sql_query,
    sql_types::{BigInt, Text},
};
use invitations_svc::config::Config;
use jiff::Timestamp;
use shell::clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::{
    clients::Invitations,
    cluster::{self, TestDatabase},
    http,
    patience::until,
    system::LINK_KEY,
};

/// A running service.
pub struct Local {
    /// Its database.
    pub database: TestDatabase,
    /// What it takes the time from.
    pub time: Time,
    grpc: SocketAddr,
    http: SocketAddr,
    stop: CancellationToken,
}

/// A time that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct Time(Arc<AtomicI64>);

impl Time {
    /// Moves the time; back, where `by` is negative.
    pub fn step(&self, by: jiff::SignedDuration) {
        let millis = i64::try_from(by.as_millis()).expect("tests do not step for ages");
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// What the service takes for now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).expect("a time of our age")
    }

    fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::new(move || time.now())
    }
}

/// The flags of a service without workers: transitions stay in the outbox, and whose time has come is noted by nobody.
pub const IDLE: [&str; 4] = ["--feed", "record", "--timers", "off"];

impl Local {
    /// As [`Local::start`], without workers: for tests that look at what an act wrote.
    pub async fn start_idle(hint: &str, flags: &[&str]) -> Self {
        Self::start(hint, &[&IDLE, flags].concat()).await
    }

    /// Starts the service with a database of its own and `flags`, and waits until it is ready.
    pub async fn start(hint: &str, flags: &[&str]) -> Self {
        let database = cluster::database(hint);
        let time = Time(Arc::new(AtomicI64::new(1_795_000_000_000)));
        let stop = CancellationToken::new();
        let fixed = [
            "invitations-svc",
            "--database-url",
            &database.url,
            "--link-keys",
            LINK_KEY,
            "--grpc-addr",
            "127.0.0.1:0",
            "--http-addr",
            "127.0.0.1:0",
        ];
        let relay: &[&str] = if flags.contains(&"--notify-url") {
            &[]
        } else {
            &["--relay", "off"]
        };
        let flags = fixed.iter().chain(relay).chain(flags);
        let config = Config::try_parse_from(flags).expect("the flags are right");
        let serving = invitations_svc::serve(config, time.clock(), stop.clone())
            .await
            .expect("it serves");
        let local = Self {
            database,
            time,
            grpc: serving.grpc,
            http: serving.http,
            stop,
        };
        until(Duration::from_secs(60), "the service is ready", async || {
            local.is_ready().await
        })
        .await;
        local
    }

    /// Clients on a connection of their own.
    pub fn clients(&self) -> Invitations {
        Invitations::at(self.grpc)
    }

    /// Where gRPC is served.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// URL of a page.
    pub fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// What `/readyz` says.
    pub async fn is_ready(&self) -> bool {
        http::get(&self.page("/readyz"))
            .await
            .is_ok_and(|page| page.status == 200)
    }

    /// The number that a query counts.
    pub fn count(&self, query: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        let mut connection = self.database.connect();
        let row: Count = sql_query(query)
            .get_result(&mut connection)
            .expect("the query counts");
        row.count
    }

    /// The column `text` of a query.
    pub fn texts(&self, query: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            text: String,
        }
        let rows: Vec<Row> = sql_query(query)
            .load(&mut self.database.connect())
            .expect("the query is right");
        rows.into_iter().map(|row| row.text).collect()
    }

    /// Runs a statement beside the service.
    pub fn execute(&self, statement: &str) {
        sql_query(statement)
            .execute(&mut self.database.connect())
            .expect("the statement is right");
    }

    /// The units of quota that a member spent.
    pub fn spent(&self, member: &str) -> i64 {
        self.count(&format!(
            "SELECT coalesce(sum(lifetime_sends), 0)::bigint AS count FROM account WHERE member_id = '{member}'"
        ))
    }
}

impl Local {
    /// Tells the service to stop, and does not wait for that.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
