//! Races: calls that are released together, two processes on one database, and what must be true afterwards.

use std::{future::Future, sync::Arc};

use tokio::sync::Barrier;

use crate::{
    files,
    local::Local,
    processes::{Launch, Service},
    system::LINK_KEY,
};

/// Runs all of `calls`, none before every one is ready to start.
pub async fn released_together<F>(calls: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let calls: Vec<F> = calls.into_iter().collect();
    let barrier = Arc::new(Barrier::new(calls.len()));
    let tasks: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let barrier = barrier.clone();
            tokio::spawn(async move {
                barrier.wait().await;
                call.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("a call does not panic"));
    }
    results
}

/// Two processes of the service on one database, without workers.
pub async fn two_services(hint: &str, flags: &[(&str, &str)]) -> (Local, [Service; 2]) {
    let local = Local::start_idle(hint, &[]).await;
    let directory = files::directory();
    let launch = || {
        flags.iter().fold(
            Launch::new("invitations-svc", &directory)
                .flag("--database-url", &local.database.url)
                .flag("--link-keys", LINK_KEY)
                .flag("--relay", "off")
                .flag("--feed", "record")
                .flag("--timers", "off"),
            |launch, (name, value)| launch.flag(name, value),
        )
    };
    let services = [launch().start().await, launch().start().await];
    (local, services)
}

/// Counts of what must not be: what is counted beside the books is what the books hold, and both books and the pairs tell
/// one story.
pub const DISAGREEMENTS: [(&str, &str); 6] = [
    (
        "accounts whose invitations that wait are counted wrong",
        "SELECT count(*) FROM account a WHERE outstanding <> \
         (SELECT count(*) FROM sent s WHERE s.inviter_id = a.member_id AND s.lifecycle = 1)",
    ),
    (
        "accounts whose connections are counted wrong",
        "SELECT count(*) FROM account a WHERE connections <> \
         (SELECT count(*) FROM connection c WHERE c.member_id = a.member_id)",
    ),
    (
        "invitations that stand otherwise in the other book",
        "SELECT count(*) FROM sent s FULL JOIN received r USING (id) \
         WHERE s.lifecycle IS DISTINCT FROM r.lifecycle OR s.expires_at <> r.expires_at \
         OR s.closed_at IS DISTINCT FROM r.closed_at",
    ),
    (
        "pairs whose open invitation is not the one that waits",
        "SELECT count(*) FROM pair p FULL JOIN (SELECT * FROM sent WHERE lifecycle = 1) s ON s.id = p.open_id \
         WHERE (p.open_id IS NULL) <> (s.id IS NULL) AND (p.open_id IS NOT NULL OR p.lo IS NULL)",
    ),
    (
        "pairs that are connected on one side, or in one table",
        "SELECT count(*) FROM pair p WHERE (connected_at IS NULL) = \
         (2 = (SELECT count(*) FROM connection c WHERE (c.member_id, c.other_id) IN ((lo, hi), (hi, lo))))",
    ),
    (
        "transitions of a pair that share a place in its order",
        "SELECT count(*) FROM (SELECT FROM outbox \
         GROUP BY least(inviter_id, recipient_id), greatest(inviter_id, recipient_id), pair_version \
         HAVING count(*) > 1) AS doubled",
    ),
];

/// Checks that none of [`DISAGREEMENTS`] is there.
pub fn assert_books_agree(local: &Local) {
    for (what, query) in DISAGREEMENTS {
        assert_eq!(local.count(query), 0, "{what}");
    }
}
