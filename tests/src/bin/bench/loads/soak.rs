//! Ten minutes at four fifths of the peak: checkpoints, autovacuum, and whether anybody notices.

use std::time::Duration;

use anyhow::Context;
use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Text},
};

use super::sends::{one, send, warm};
use crate::{
    Bench,
    open::{self, Plan},
    results::{Sample, Times},
    stage::Stage,
};

/// Share of the peak.
const LOAD: f64 = 0.8;

/// Calls under way at most; those that wait beyond it have their time counted all the same.
const ROOM: usize = 2_000;

/// Tables smaller than this are not worth a share.
const ROWS: i64 = 10_000;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let stage = bench.stage("soak").await?;
    warm(bench, &stage).await?;
    let peak = send(bench, &stage, 256).await?.value;
    let plan = Plan {
        rate: peak * LOAD,
        length: Duration::from_secs(bench.args.soak_seconds),
        room: ROOM,
    };
    let numbers = stage.numbers.clone();
    let outcome = open::run(&stage.clients, plan, move |client| {
        let pair = numbers.uniform();
        async move { one(&client, pair).await.map(|_| ()) }
    })
    .await;
    let times = Times::of(&outcome.granted);
    bench.note(
        "soak",
        Sample {
            value: outcome.granted.len() as f64 / outcome.whole.as_secs_f64(),
            times: Some(times),
            count: outcome.granted.len(),
            errors: outcome.errors.len() as u64 + outcome.refused.len(),
            ..Sample::default()
        },
    );
    bench.note("soak p99.9 ms", Sample::of(times.p999_ms));
    let empty = outcome.seconds.iter().filter(|count| **count == 0).count();
    bench.note("soak empty seconds", Sample::of(empty as f64));
    let slowest = outcome
        .seconds
        .iter()
        .min()
        .context("a soak lasts a second at least")?;
    bench.note("soak slowest second", Sample::of(f64::from(*slowest)));
    dead_rows(bench, &stage)?;
    bench.check_books("soak", &stage.database)
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    live: i64,
    #[diesel(sql_type = BigInt)]
    dead: i64,
}

/// Tells the dead rows of each table, and notes the largest share.
fn dead_rows(bench: &Bench, stage: &Stage) -> anyhow::Result<()> {
    let tables: Vec<Table> = sql_query(
        "SELECT relname::text AS name, n_live_tup AS live, n_dead_tup AS dead FROM pg_stat_user_tables \
         WHERE n_live_tup + n_dead_tup > 0 ORDER BY 1",
    )
    .load(&mut stage.database.connect())?;
    let mut largest: f64 = 0.0;
    for Table { name, live, dead } in tables {
        bench.note(&format!("soak dead rows of {name}"), Sample::of(dead as f64));
        if live + dead >= ROWS {
            largest = largest.max(dead as f64 / (live + dead) as f64);
        }
    }
    bench.note("soak dead rows share", Sample::of(largest));
    Ok(())
}
