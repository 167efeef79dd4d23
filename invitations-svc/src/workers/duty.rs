//! Work that one process does at a time. Another takes over when its lease has run out.

use std::time::Duration;

use shell::{
    clock::Clock,
    postgres::{Database, DatabaseError},
};
use uuid::Uuid;

use super::within;
use crate::store::duty;

/// How long a duty stays with a process that is not heard of.
const LEASE: Duration = Duration::from_secs(15);

/// Longest time for one piece of database work.
pub(super) const CALL: Duration = Duration::from_secs(10);

/// A duty that this process may have.
#[derive(Clone)]
pub(super) struct Duty {
    pub(super) name: &'static str,
    pub(super) holder: Uuid,
    pub(super) database: Database,
    pub(super) clock: Clock,
}

impl Duty {
    /// Takes it or keeps it. Asked again before each set of work.
    pub(super) async fn is_mine(&self) -> Result<bool, DatabaseError> {
        let (name, holder, now) = (self.name, self.holder, self.clock.now());
        self.database
            .run(within(CALL), move |db| duty::take(db, name, holder, now, LEASE))
            .await
    }
}
