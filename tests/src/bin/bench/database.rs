//! Databases to measure on: each a copy of one that has the members.

use std::process::Command;

use anyhow::{Context, ensure};
use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::BigInt,
};
use tests::{
    cluster::{Cluster, TestDatabase},
    processes::binary,
};

const FUNCTIONS: &str = include_str!("sql/functions.sql");
const FILL: &str = include_str!("sql/fill.sql");
/// The name of the database that is copied.
const TEMPLATE: &str = "members";

/// Makes the database that is copied: the service's own tables, and so many members.
pub(crate) fn prepare(cluster: &Cluster, members: u64) -> anyhow::Result<()> {
    let database = cluster.database(TEMPLATE)?;
    let output = Command::new(binary("invitations-svc")?)
        .args(["migrate", "--database-url", &database.url])
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    database.connect().batch_execute(&format!(
        "{FUNCTIONS}
        INSERT INTO member (member_id, name, email, locale, time_zone, invitation_policy, updated_at)
            SELECT bench_member(n), 'Member ' || n, 'r' || n || '@example.com', 'en', 'Europe/Oslo', 1, now()
            FROM generate_series(0, {members} - 1) AS numbers(n);
        INSERT INTO account (member_id, version, sends, lifetime_sends)
            SELECT member_id, 0, '', 0 FROM member;"
    ))?;
    tidy(&database, "member, account")
}

/// A copy with the members.
pub(crate) fn with_members(cluster: &Cluster, name: &str) -> anyhow::Result<TestDatabase> {
    copy(cluster, TEMPLATE, name)
}

/// A copy of the database `from`, to which nobody may be connected; one of before is gone then.
pub(crate) fn copy(cluster: &Cluster, from: &str, name: &str) -> anyhow::Result<TestDatabase> {
    let mut server = connect(&cluster.url("postgres"))?;
    server.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
    server.batch_execute(&format!(
        "CREATE DATABASE {name} TEMPLATE {from} STRATEGY file_copy"
    ))?;
    Ok(TestDatabase {
        url: cluster.url(name),
    })
}

/// Writes invitations. `planned` is a query for their columns: k (a number of its own), inviter and recipient (numbers of
/// members), sent_at, expires_at, due_at, is_accepted.
pub(crate) fn fill(database: &TestDatabase, planned: &str) -> anyhow::Result<()> {
    let mut connection = connect(&database.url)?;
    connection.batch_execute("SET work_mem = '256MB'; SET maintenance_work_mem = '256MB'")?;
    connection.batch_execute(&format!("CREATE TEMP TABLE planned AS {planned}; {FILL}"))?;
    tidy(database, "account, pair, sent, received, request")
}

/// Vacuums tables that have rows. One that was vacuumed while it was empty is planned for as if it stayed so, until
/// autovacuum has seen it again.
fn tidy(database: &TestDatabase, tables: &str) -> anyhow::Result<()> {
    let mut connection = connect(&database.url)?;
    connection.batch_execute(&format!("VACUUM ANALYZE {tables}"))?;
    connection.batch_execute("CHECKPOINT")?;
    Ok(())
}

/// The number that a query answers in its column `number`.
pub(crate) fn number(database: &TestDatabase, query: &str) -> anyhow::Result<i64> {
    ask(&mut connect(&database.url)?, query)
}

/// As [`number`], over a connection that is there.
pub(crate) fn ask(connection: &mut PgConnection, query: &str) -> anyhow::Result<i64> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    let row: Row = sql_query(query)
        .get_result(connection)
        .context("a query failed")?;
    Ok(row.number)
}

fn connect(url: &str) -> anyhow::Result<PgConnection> {
    Ok(diesel::Connection::establish(url)?)
}
