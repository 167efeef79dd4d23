//! What a send and an email write into the log of Postgres (WAL), by table and index.
//!
//! The server's own records are counted (pg_walinspect), so nothing is assumed about indexes that a row is not in or an
//! update does not touch. Page images, which come with the first change of a page after each checkpoint, are told apart:
//! they depend on how often that is.

use std::time::Duration;

use anyhow::Context;
use diesel::{
    PgConnection, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Text},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use proto::notify::v1::{email_command::Command, email_service_client::EmailServiceClient};
use tests::{
    clients::{Invitations, channel},
    cluster::{Cluster, TestDatabase},
    emails,
    ledger::count,
    processes::Launch,
    system::LINK_KEY,
};

/// Members that invite each other.
const MEMBERS: usize = 20_000;
/// How many sends are under way, and how many there are.
const SENDS: [(usize, usize); 2] = [(1, 2_000), (256, 20_000)];
/// How many emails come in one call, and how many there are.
const EMAILS: [(usize, usize); 2] = [(1, 500), (200, 6_000)];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cluster = Cluster::temporary_durable(&[])?;
    sends(&cluster.database("invitations")?).await?;
    emails(&cluster.database("notify")?).await
}

async fn sends(database: &TestDatabase) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let service = Launch::new("invitations-svc", directory.path())
        .flag("--database-url", &database.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off")
        .flag("--feed", "record")
        .flag("--timers", "off")
        .start()
        .await;
    let clients = Invitations::at(service.grpc());
    let members = &clients.crowd(MEMBERS).await;
    let send = async |number: usize| {
        let step = 1 + number / MEMBERS;
        let (inviter, recipient) = (&members[number % MEMBERS], &members[(number + step) % MEMBERS]);
        clients.send(inviter, recipient).await.map(|_| ())
    };
    let mut first = 0;
    for (in_flight, sends) in SENDS {
        let log = Log::begin(database)?;
        stream::iter(first..first + sends)
            .map(&send)
            .buffer_unordered(in_flight)
            .try_collect::<()>()
            .await?;
        log.print(&format!("send, {in_flight} in flight"), sends)?;
        first += sends;
    }
    Ok(())
}

async fn emails(database: &TestDatabase) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let launch = Launch::new("notify-svc", directory.path());
    let pages = format!("http://{}", launch.http);
    let service = launch
        .flag("--database-url", &database.url)
        .flag("--mail-from", "Invitations <invitations@product.example>")
        .flag("--pages-url", pages)
        .flag("--link-keys", LINK_KEY)
        .flag("--mail-dir", directory.path())
        .start()
        .await;
    let client = EmailServiceClient::new(channel(service.grpc()));
    for (at_once, emails) in EMAILS {
        let log = Log::begin(database)?;
        for _ in 0..emails / at_once {
            let commands = (0..at_once).map(|_| Command::Queue(emails::initial()));
            emails::apply(client.clone(), commands.collect()).await?;
            while count(database, "due") > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        log.print(&format!("email, {at_once} in each call"), emails)?;
    }
    Ok(())
}

/// The log from a moment on.
struct Log {
    connection: PgConnection,
    from: String,
}

#[derive(diesel::QueryableByName)]
struct Lsn {
    #[diesel(sql_type = Text)]
    lsn: String,
}

#[derive(diesel::QueryableByName)]
struct Written {
    #[diesel(sql_type = Text)]
    relation: String,
    #[diesel(sql_type = BigInt)]
    entries: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = BigInt)]
    images: i64,
}

/// Records by the first page that each changes: an index entry is a record of its own.
const WRITTEN: &str = "SELECT coalesce(c.relname, r.resource_manager) AS relation, \
    count(*) FILTER (WHERE r.record_type LIKE 'INSERT%' AND r.resource_manager = 'Btree') AS entries, \
    sum(r.record_length - r.fpi_length)::bigint AS bytes, sum(r.fpi_length)::bigint AS images \
    FROM pg_get_wal_records_info($1::pg_lsn, $2::pg_lsn) r \
    LEFT JOIN pg_class c ON c.relfilenode = substring(r.block_ref FROM 'rel \\d+/\\d+/(\\d+)')::oid \
    GROUP BY 1 ORDER BY bytes DESC";

impl Log {
    fn begin(database: &TestDatabase) -> anyhow::Result<Self> {
        let mut connection = database.connect();
        connection
            .batch_execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
            .context("pg_walinspect comes with Debian's postgresql package")?;
        let from = now(&mut connection)?;
        Ok(Self { connection, from })
    }

    fn print(mut self, what: &str, times: usize) -> anyhow::Result<()> {
        let written: Vec<Written> = sql_query(WRITTEN)
            .bind::<Text, _>(&self.from)
            .bind::<Text, _>(now(&mut self.connection)?)
            .load(&mut self.connection)?;
        let each = |sum: i64| sum as f64 / times as f64;
        let total = |number: fn(&Written) -> i64| each(written.iter().map(number).sum());
        println!(
            "{what}: {:.0} bytes, {:.2} index entries; page images {:.0} bytes",
            total(|one| one.bytes),
            total(|one| one.entries),
            total(|one| one.images),
        );
        for one in written.iter().filter(|one| each(one.bytes) >= 1.0) {
            let (entries, bytes) = (each(one.entries), each(one.bytes));
            println!("{:>24} {bytes:>7.0} bytes {entries:>6.2} entries", one.relation);
        }
        Ok(())
    }
}

fn now(connection: &mut PgConnection) -> anyhow::Result<String> {
    let row: Lsn = sql_query("SELECT pg_current_wal_flush_lsn()::text AS lsn").get_result(connection)?;
    Ok(row.lsn)
}
