//! Reminders and expiries whose time has come, by the hundred thousand, and sends meanwhile.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tests::watch::Watch;

use super::sends::send;
use crate::{
    Bench, database,
    numbers::{FILLED, FILLED_STEP},
    results::Sample,
    rounds::step,
    stage::{Stage, counter, launch},
};

/// The database that each measurement copies.
const FULL: &str = "due";

/// Longest wait for the worker.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let members = bench.args.members;
    let full = database::with_members(&bench.cluster, FULL)?;
    // In turn a first reminder of an hour ago, and the end of 180 days.
    database::fill(
        &full,
        &format!(
            "SELECT (1::bigint << 40) + i AS k, a AS inviter, (a + {FILLED} + 4 * (i / {members})) % {members} AS recipient, \
               at AS sent_at, at + interval '180 days' AS expires_at, \
               at + CASE WHEN i % 2 = 0 THEN interval '7 days' ELSE interval '180 days' END AS due_at, \
               false AS is_accepted \
             FROM (SELECT i, i * {FILLED_STEP} % {members} AS a, \
                     now() - interval '1 hour' - CASE WHEN i % 2 = 0 THEN interval '7 days' ELSE interval '180 days' END \
                       + i * interval '1 ms' AS at \
                   FROM generate_series(0::bigint, {} - 1) AS numbers(i)) AS due",
            bench.args.due
        ),
    )?;
    let steps = [
        step("due", || worked_off(bench)),
        step("due sends alone", || sends(bench, "off")),
        step("due sends", || sends(bench, "on")),
    ];
    bench.alternate(&steps).await
}

/// How many the worker notes a second, by its own count.
async fn worked_off(bench: &Bench) -> anyhow::Result<Sample> {
    let stage = start(bench, "on").await?;
    let (begun, mut first) = (Instant::now(), None);
    loop {
        let decided = decided(&stage).await?;
        let now = Instant::now();
        let (watch, at, before) = first.get_or_insert_with(|| (Watch::start(), now, decided));
        if decided >= bench.args.due {
            let count = decided - *before;
            let sample = Sample {
                value: count as f64 / (now - *at).as_secs_f64(),
                count,
                cpu: Some(watch.stop().cpu.per(count)),
                ..Sample::default()
            };
            bench.check_books("due", &stage.database)?;
            return Ok(sample);
        }
        if decided == 0 {
            first = None;
        }
        ensure!(begun.elapsed() < PATIENCE, "the worker noted {decided} only");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends while the worker is on or off.
async fn sends(bench: &Bench, timers: &str) -> anyhow::Result<Sample> {
    let stage = start(bench, timers).await?;
    let before = decided(&stage).await?;
    let sample = send(bench, &stage, 256).await?;
    let after = decided(&stage).await?;
    if timers == "on" {
        ensure!(
            before < bench.args.due && after > 0,
            "nothing was due meanwhile; raise --due"
        );
        bench.note(
            "due meanwhile",
            Sample::of((after - before) as f64 / bench.args.length().as_secs_f64()),
        );
    }
    bench.check_books("due", &stage.database)?;
    Ok(sample)
}

async fn start(bench: &Bench, timers: &str) -> anyhow::Result<Stage> {
    let database = database::copy(&bench.cluster, FULL, "due_now")?;
    let launch = launch(&database, bench.directory.path())
        .flag("--relay", "off")
        .flag("--feed", "record")
        .flag("--timers", timers);
    Ok(Stage::start(database, launch, bench.args.members).await)
}

/// What the worker has counted.
async fn decided(stage: &Stage) -> anyhow::Result<u64> {
    counter(&stage.service, "timers_decided_total{done=\"yes\"}").await
}
