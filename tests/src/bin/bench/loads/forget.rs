//! Retention: stored answers and transitions of the feed that are kept no longer, by the hundred thousand.

use std::time::{Duration, Instant};

use anyhow::ensure;
use diesel::connection::SimpleConnection;

use crate::{
    Bench, database,
    results::Sample,
    rounds::{Measured, steps},
    stage::{Stage, counter, launch},
};

/// The database that each measurement copies.
const FULL: &str = "forget";

/// Rows of each kind.
const OLD: u64 = 200_000;

/// Longest wait for the worker.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    database::with_members(&bench.cluster, FULL)?
        .connect()
        .batch_execute(&format!(
            "INSERT INTO request (request_id, client, fingerprint, outcome, subject, decided_at, until) \
               SELECT gen_random_uuid(), 'old', '\\x00112233445566778899aabbccddeeff', 1, gen_random_uuid(), \
                 now() - interval '30 days', now() FROM generate_series(1, {OLD}); \
             INSERT INTO feed (lane, position, event, invitation_id, inviter_id, recipient_id, hidden, happened_at) \
               SELECT n % 8, 1 + n / 8, 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), false, \
                 now() - interval '30 days' FROM generate_series(0, {OLD} - 1) AS numbers(n); \
             UPDATE feed_head SET position = {OLD} / 8; \
             ANALYZE request, feed"
        ))?;
    let forgotten = steps("forget", || forgotten(bench));
    bench.alternate(&[forgotten]).await
}

async fn forgotten(bench: &Bench) -> anyhow::Result<Measured> {
    let database = database::copy(&bench.cluster, FULL, "forget_now")?;
    let launch = launch(&database, bench.directory.path())
        .flag("--relay", "off")
        .flag("--feed", "record")
        .flag("--timers", "off");
    let stage = Stage::start(database, launch, bench.args.members).await;
    let requests = rate(&stage, "request").await?;
    let transitions = rate(&stage, "transition").await?;
    Ok(vec![
        ("forget requests", requests),
        ("forget transitions", transitions),
    ])
}

/// How many of a kind the worker forgets a second, by its own count.
async fn rate(stage: &Stage, what: &str) -> anyhow::Result<Sample> {
    let name = format!("retention_forgotten_total{{what=\"{what}\"}}");
    let (begun, mut first) = (Instant::now(), None);
    loop {
        let gone = counter(&stage.service, &name).await?;
        let now = Instant::now();
        match first {
            None if gone > 0 => first = Some((now, gone)),
            Some((since, from)) if gone >= OLD => {
                let count = gone - from;
                return Ok(Sample {
                    value: count as f64 / (now - since).as_secs_f64(),
                    count,
                    ..Sample::default()
                });
            }
            None | Some(_) => {}
        }
        ensure!(begun.elapsed() < PATIENCE, "of {what} only {gone} are forgotten");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
