//! Two processes of the service on one database, beside one.

use super::sends::{send, warm};
use crate::{
    Bench,
    results::{Measurement, Sample},
    rounds::step,
    stage::{CONNECTIONS, Stage, clients, launch},
};

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let one = bench.stage("two").await?;
    let second = launch(&one.database, bench.directory.path())
        .flag("--relay", "off")
        .flag("--feed", "record")
        .start()
        .await;
    // Calls go to both in turn.
    let both = [one.clients.clone(), clients(&second, CONNECTIONS)].concat();
    let two = Stage {
        database: one.database.clone(),
        service: second,
        clients: both,
        numbers: one.numbers.clone(),
    };
    warm(bench, &two).await?;
    let (one, two) = (&one, &two);
    let steps = [
        step("one process", || send(bench, one, 256)),
        step("two processes", || send(bench, two, 256)),
    ];
    bench.alternate(&steps).await?;
    drop(steps);
    let errors = bench
        .results
        .borrow()
        .get("two processes")
        .map_or(0, Measurement::errors);
    bench.note("two processes errors", Sample::of(errors as f64));
    bench.check_books("two", &one.database)
}
