//! What a worker does to the emails it holds: mark them, keep them, give them back.

use std::collections::HashSet;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, Integer, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{fences::kind_codes, statement::statement};
use crate::domain::fence::Scope;

/// A claim that a worker holds, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) email_id: Uuid,
    pub(crate) epoch: i32,
}

statement! {
    /// The point of no return. The fence is judged here, not only at the claim: whoever was told "cancelled" before
    /// this commit was told the truth.
    struct Mark {
        ids: Vec<Uuid> as Array<SqlUuid>,
        epochs: Vec<i32> as Array<Integer>,
        worker: Uuid as SqlUuid,
        now: jiff_diesel::Timestamp as Timestamptz,
        all_kinds: Vec<i16> as Array<SmallInt>,
        invitation_kinds: Vec<i16> as Array<SmallInt>,
        reminder_kinds: Vec<i16> as Array<SmallInt>,
    } -> (SqlUuid, Integer) =
    "WITH mine AS MATERIALIZED (SELECT due.email_id FROM unnest(" ids ", " epochs
    ") AS held (email_id, epoch) JOIN due USING (email_id) \
       WHERE due.lease_epoch = held.epoch AND due.phase = 1 AND due.leased_by = " worker
    " AND due.lease_until > " now
    " AND NOT EXISTS (SELECT FROM fence WHERE fence.invitation_id = due.invitation_id AND ( \
         fence.sequence > due.sequence AND due.kind = ANY(" all_kinds ") \
         OR fence.invitation_sequence > due.sequence AND due.kind = ANY(" invitation_kinds ") \
         OR fence.reminders_sequence > due.sequence AND due.kind = ANY(" reminder_kinds "))) \
       ORDER BY due.email_id FOR UPDATE OF due) \
     UPDATE due SET phase = 2 FROM mine WHERE due.email_id = mine.email_id \
     RETURNING due.email_id, due.lease_epoch"
}

statement! {
    struct Extend {
        ids: Vec<Uuid> as Array<SqlUuid>,
        epochs: Vec<i32> as Array<Integer>,
        worker: Uuid as SqlUuid,
        lease_until: jiff_diesel::Timestamp as Timestamptz,
    } -> SqlUuid =
    "WITH mine AS MATERIALIZED (SELECT due.email_id FROM unnest(" ids ", " epochs
    ") AS held (email_id, epoch) JOIN due USING (email_id) \
       WHERE due.lease_epoch = held.epoch AND due.leased_by = " worker
    " ORDER BY due.email_id FOR UPDATE OF due) \
     UPDATE due SET lease_until = " lease_until
    " FROM mine WHERE due.email_id = mine.email_id RETURNING due.email_id"
}

statement! {
    struct Release { worker: Uuid as SqlUuid } -> BigInt =
    "WITH mine AS MATERIALIZED (SELECT email_id FROM due WHERE leased_by = " worker
    " AND phase = 1 ORDER BY email_id FOR UPDATE), \
     given AS (UPDATE due SET phase = 0, leased_by = NULL, lease_until = NULL FROM mine \
       WHERE due.email_id = mine.email_id RETURNING 1) \
     SELECT count(*) FROM given"
}

/// Marks that the bodies of these emails begin. Answers those that may: still held, and not cancelled meanwhile.
pub(crate) fn mark(
    connection: &mut PgConnection,
    held: &[Held],
    worker: Uuid,
    now: Timestamp,
) -> QueryResult<HashSet<Held>> {
    let (ids, epochs) = columns(held);
    let marked: Vec<(Uuid, i32)> = Mark {
        ids,
        epochs,
        worker,
        now: now.to_diesel(),
        all_kinds: kind_codes(Scope::All),
        invitation_kinds: kind_codes(Scope::Invitation),
        reminder_kinds: kind_codes(Scope::Reminders),
    }
    .load(connection)?;
    Ok(marked
        .into_iter()
        .map(|(email_id, epoch)| Held { email_id, epoch })
        .collect())
}

/// Extends the leases of what is still held.
pub(crate) fn extend(
    connection: &mut PgConnection,
    held: &[Held],
    worker: Uuid,
    lease_until: Timestamp,
) -> QueryResult<()> {
    let (ids, epochs) = columns(held);
    let lease_until = lease_until.to_diesel();
    Extend {
        ids,
        epochs,
        worker,
        lease_until,
    }
    .load::<Uuid>(connection)?;
    Ok(())
}

/// Gives back what this worker holds and has not begun. Answers how many those were.
pub(crate) fn release(connection: &mut PgConnection, worker: Uuid) -> QueryResult<i64> {
    Release { worker }.get_result(connection)
}

fn columns(held: &[Held]) -> (Vec<Uuid>, Vec<i32>) {
    held.iter().map(|held| (held.email_id, held.epoch)).unzip()
}
