//! Five times as many sends as the service can do: what is refused, how soon, and what is still done.

use std::{sync::Arc, time::Duration};

use tests::{
    clients::Invitations,
    watch::{Watch, resident_mib},
};

use super::sends::{one, send, warm};
use crate::{
    Bench,
    open::{self, Plan},
    results::{Sample, Times},
    rounds::{Measured, step, steps},
    stage::{Stage, clients},
};

/// Offered sends, by the peak.
const TIMES_PEAK: f64 = 5.0;

/// Connections of those who offer them. A connection carries 256 calls; the service works on 2 048.
const CROWD: usize = 32;

/// Calls under way at most, which these connections carry.
const ROOM: usize = 8_000;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let stage = bench.stage("overload").await?;
    warm(bench, &stage).await?;
    let (stage, crowd) = (&stage, clients(&stage.service, CROWD));
    let crowd = &crowd;
    let all = [
        step("overload peak", || send(bench, stage, 256)),
        steps("overload", move || overload(bench, stage, crowd)),
    ];
    bench.alternate(&all).await?;
    drop(all);
    bench.check_books("overload", &stage.database)
}

async fn overload(bench: &Bench, stage: &Stage, crowd: &[Arc<Invitations>]) -> anyhow::Result<Measured> {
    let measured = bench.results.borrow().value("overload peak");
    let peak = match measured {
        Some(peak) => peak,
        None => send(bench, stage, 256).await?.value,
    };
    let plan = Plan {
        rate: peak * TIMES_PEAK,
        length: bench.args.length(),
        room: ROOM,
    };
    let numbers = stage.numbers.clone();
    let offering = open::run(crowd, plan, move |client| {
        let pair = numbers.uniform();
        async move { one(&client, pair).await.map(|_| ()) }
    });
    let resident = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        resident_mib(stage.service.pid())
    };
    let watch = Watch::start();
    let (outcome, resident) = tokio::join!(offering, resident);
    let spent = watch.stop().cpu;
    if let Some(error) = outcome.errors.first() {
        eprintln!("{} error answers, such as {error}", outcome.errors.len());
    }
    let offered = plan.rate * plan.length.as_secs_f64() / outcome.offering.as_secs_f64();
    let accepted = Sample {
        value: outcome.granted.len() as f64 / outcome.whole.as_secs_f64(),
        times: Some(Times::of(&outcome.granted)),
        count: outcome.granted.len(),
        errors: outcome.errors.len() as u64,
        // Refusals included.
        cpu: Some(spent.per(outcome.granted.len())),
        ..Sample::default()
    };
    let refused = Times::of(&outcome.refused);
    let since_begun = Times::of(&outcome.refused_since_begun);
    Ok(vec![
        ("overload offered", Sample::of(offered)),
        ("overload accepted", accepted),
        (
            "overload refused",
            Sample::of(outcome.refused.len() as f64 / outcome.whole.as_secs_f64()),
        ),
        (
            "overload refusal ms",
            Sample {
                times: Some(refused),
                count: outcome.refused.len(),
                ..Sample::of(refused.p50_ms)
            },
        ),
        (
            "overload refusal ms since begun",
            Sample {
                times: Some(since_begun),
                ..Sample::of(since_begun.p50_ms)
            },
        ),
        ("overload MiB", Sample::of(resident)),
    ])
}
