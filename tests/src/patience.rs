//! Waiting with an end: what never comes fails a test instead of holding it up.

use std::time::Duration;

use diesel::{RunQueryDsl, sql_query};

use crate::cluster::TestDatabase;

/// Waits until `done`. Panics with `what` where that takes longer than `patience`.
pub async fn until(patience: Duration, what: &str, done: impl AsyncFnMut() -> bool) {
    let came = comes(patience, done).await;
    assert!(came, "it did not come within {patience:?}: {what}");
}

/// Whether `done` becomes true within `patience`.
pub async fn comes(patience: Duration, mut done: impl AsyncFnMut() -> bool) -> bool {
    let waiting = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(patience, waiting).await.is_ok()
}

/// Whether a session of `database` waits for a lock.
pub fn somebody_waits_for_a_lock(database: &TestDatabase) -> bool {
    let waiting =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let found = sql_query(waiting).execute(&mut database.connect());
    found.expect("asked") > 0
}
