//! What becomes of invitations: each act on some that were sent for it, beside the same as a plain transaction.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tests::clients::Act;

use super::sends::{Waiting, send_many, warm};
use crate::{
    Bench,
    closed::{self, Turn},
    results::Sample,
    rounds::{step, steps},
    stage::Stage,
};

/// Calls under way.
const IN_FLIGHT: usize = 256;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let stage = bench.stage("acts").await?;
    warm(bench, &stage).await?;
    let stage = &stage;
    let mut all = vec![
        step("accept plain", || async { bench.plain_acts(stage, Act::Accept) }),
        steps("accept", move || async move {
            let waiting = prepare(bench, stage).await?;
            Ok(vec![("accept", each(stage, &waiting, Act::Accept).await?)])
        }),
    ];
    if !bench.args.quick {
        all.extend([
            step("reply plain", || async { bench.plain_acts(stage, Act::Reply) }),
            step("ignore plain", || async { bench.plain_acts(stage, Act::Ignore) }),
            step("decline plain", || async {
                bench.plain_acts(stage, Act::Decline)
            }),
            step("withdraw plain", || async {
                bench.plain_acts(stage, Act::Withdraw)
            }),
            steps("reply, withdraw", move || async move {
                let waiting = prepare(bench, stage).await?;
                Ok(vec![
                    ("reply", each(stage, &waiting, Act::Reply).await?),
                    ("withdraw", each(stage, &waiting, Act::Withdraw).await?),
                ])
            }),
            steps("ignore, decline", move || async move {
                let waiting = prepare(bench, stage).await?;
                Ok(vec![
                    ("ignore", each(stage, &waiting, Act::Ignore).await?),
                    ("decline", each(stage, &waiting, Act::Decline).await?),
                ])
            }),
        ]);
    }
    bench.alternate(&all).await?;
    drop(all);
    bench.check_books("acts", &stage.database)
}

async fn prepare(bench: &Bench, stage: &Stage) -> anyhow::Result<Arc<Vec<Waiting>>> {
    let (_, waiting) = send_many(&stage.clients, &stage.numbers, bench.args.acts()).await?;
    Ok(Arc::new(waiting))
}

/// Does `act` on every one of them, once.
async fn each(stage: &Stage, waiting: &Arc<Vec<Waiting>>, act: Act) -> anyhow::Result<Sample> {
    let (next, waiting) = (Arc::new(AtomicUsize::new(0)), waiting.clone());
    closed::run(
        &stage.clients,
        IN_FLIGHT,
        Duration::from_secs(600),
        move |client| {
            let (next, waiting) = (next.clone(), waiting.clone());
            async move {
                let Some(one) = waiting.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    return Turn::Over;
                };
                Turn::Called(client.act(act, one.actor(act), one.id()).await.map(|_| ()))
            }
        },
    )
    .await
}
