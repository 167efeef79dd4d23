//! Sends beside millions of invitations that are there already, and beside none.

use super::sends::{send, warm};
use crate::{
    Bench, database,
    numbers::{FILLED, FILLED_STEP},
    results::Sample,
    rounds::step,
    stage::Stage,
};

/// Invitations that are written in one piece.
const PIECE: u64 = 1_000_000;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let members = bench.args.members;
    let full = database::with_members(&bench.cluster, "present")?;
    // Sent over 150 days; one in four was accepted.
    for first in (0..bench.args.present).step_by(PIECE as usize) {
        let last = (first + PIECE).min(bench.args.present) - 1;
        let days = 150.0 - 150.0 * first as f64 / bench.args.present as f64;
        eprintln!("invitations {first} to {last} of {}", bench.args.present);
        database::fill(
            &full,
            &format!(
                "SELECT (1::bigint << 40) + i AS k, a AS inviter, \
                   (a + {FILLED} + 4 * (i / {members})) % {members} AS recipient, at AS sent_at, \
                   at + interval '180 days' AS expires_at, \
                   greatest(at + interval '21 days', now() + interval '1 day') AS due_at, i % 4 = 0 AS is_accepted \
                 FROM (SELECT i, i * {FILLED_STEP} % {members} AS a, \
                         now() - {days} * interval '1 day' + (i - {first}) * interval '1 second' AS at \
                       FROM generate_series({first}::bigint, {last}) AS numbers(i)) AS present"
            ),
        )?;
    }
    let full = Stage::alone(full, bench.directory.path(), members).await;
    let empty = bench.stage("empty").await?;
    warm(bench, &full).await?;
    warm(bench, &empty).await?;
    let (full, empty) = (&full, &empty);
    let steps = [
        step("empty C 1", || async { bench.bulk_sends(empty, 1) }),
        step("present C 1", || async { bench.bulk_sends(full, 1) }),
        step("empty send", || send(bench, empty, 256)),
        step("present send", || send(bench, full, 256)),
    ];
    bench.alternate(&steps).await?;
    drop(steps);
    let of = |name: &str| bench.results.borrow().value(name).unwrap_or(f64::NAN);
    let to_c =
        [("present send", "present C 1"), ("empty send", "empty C 1")].map(|(ours, c)| of(ours) / of(c));
    bench.note("present to C as empty", Sample::of(to_c[0] / to_c[1]));
    bench.check_books("present", &full.database)
}
