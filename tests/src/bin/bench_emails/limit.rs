//! The limit: what the same Postgres does for a bare claim and finish of the same tables, in batches of 64, by pgbench.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};
use diesel::connection::SimpleConnection;
use tests::cluster::{TestDatabase, binaries};

/// Emails in one claim.
const BATCH: u64 = 64;

/// One claim and one finish: no mark, no judgement, nothing rendered, nothing sent.
const SCRIPT: &str = "\
WITH ready AS MATERIALIZED (SELECT email_id FROM due WHERE lease_until IS NULL AND run_at <= now() ORDER BY run_at \
LIMIT 64 FOR UPDATE SKIP LOCKED) UPDATE due SET phase = 1, lease_epoch = lease_epoch + 1, leased_by = \
('00000000-0000-0000-0000-' || lpad((:client_id)::text, 12, '0'))::uuid, lease_until = now() + interval '15 seconds' \
FROM ready WHERE due.email_id = ready.email_id;
WITH gone AS (DELETE FROM due WHERE leased_by = ('00000000-0000-0000-0000-' || lpad((:client_id)::text, 12, '0'))::uuid \
AND lease_until IS NOT NULL RETURNING email_id, lease_epoch), \
closed AS (UPDATE email SET state = 2, final_at = now() FROM gone WHERE email.id = gone.email_id) \
INSERT INTO attempt (email_id, n, at, step, code, reply, relay) \
SELECT email_id, lease_epoch, now(), 5, 250, 'taken', '127.0.0.1:25' FROM gone;
";

/// Emails a second at the better one of one and two connections.
pub(crate) fn measure(database: &TestDatabase, directory: &Path, emails: u64) -> anyhow::Result<f64> {
    let script = directory.join("limit.sql");
    fs::write(&script, SCRIPT)?;
    let one = run(database, &script, emails, 1)?;
    let two = run(database, &script, emails, 2)?;
    Ok(one.max(two))
}

fn run(database: &TestDatabase, script: &Path, emails: u64, clients: u64) -> anyhow::Result<f64> {
    let rounds = emails / BATCH / clients;
    fill(database, rounds * clients * BATCH)?;
    // Where `postgres` is a link on PATH, pgbench stands beside what it points to.
    let server = binaries::find()?.join("postgres").canonicalize()?;
    let output = Command::new(server.with_file_name("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--file"])
        .arg(script)
        .args([format!("--client={clients}"), format!("--jobs={clients}")])
        .arg(format!("--transactions={rounds}"))
        .arg(&database.url)
        .output()
        .context("pgbench does not start; it comes with Debian's postgresql package")?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "pgbench: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line = told
        .lines()
        .find(|line| line.starts_with("tps = "))
        .context("pgbench tells no tps")?;
    let tps: f64 = line.split_whitespace().nth(2).context("no number")?.parse()?;
    Ok(tps * BATCH as f64)
}

/// Open emails as the service writes them, with a letter of the usual length.
fn fill(database: &TestDatabase, emails: u64) -> anyhow::Result<()> {
    let letter = format!(r#"{{"text": "{}"}}"#, "x".repeat(600));
    let mut connection = database.connect();
    connection.batch_execute(&format!(
        "TRUNCATE email, due, attempt;
         INSERT INTO email (id, invitation_id, sequence, kind, member_id, other_id, address_hash, event_time, letter, message_id, created_at, state)
         SELECT gen_random_uuid(), gen_random_uuid(), 1, 1, gen_random_uuid(), gen_random_uuid(),
           sha256(n::text::bytea), now(), '{letter}', '<' || n || '@example.com>', now(), 1
         FROM generate_series(1, {emails}) AS n;
         INSERT INTO due (email_id, invitation_id, sequence, kind, member_id, run_at)
         SELECT id, invitation_id, sequence, kind, member_id, created_at FROM email"
    ))?;
    for after in ["VACUUM ANALYZE email, due", "CHECKPOINT"] {
        connection.batch_execute(after)?;
    }
    Ok(())
}
