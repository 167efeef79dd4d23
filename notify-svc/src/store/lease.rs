//! What a worker does to the emails it holds: mark them, keep them, give them back.

use std::{collections::HashSet, time::Duration};

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, Integer, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{fences::kind_codes, statement::statement};
use crate::domain::{
    fence::Scope,
    restraint::{Company, Restraint},
};

/// A claim that a worker holds, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) email_id: Uuid,
    pub(crate) epoch: i32,
}

statement! {
    /// The point of no return. Fence and reader are judged here, not only at the claim: whoever was told "cancelled"
    /// before this commit was told the truth, and what a reader gets in a day or a week is exact whoever sends it. Each
    /// reader stands in it once. `IS TRUE` has the marked readers hashed; else each email goes through all of them. The
    /// lease's end is wrapped up, so that rows are found by their ids, not among all that are leased.
    struct Mark {
        ids: Vec<Uuid> as Array<SqlUuid>,
        epochs: Vec<i32> as Array<Integer>,
        worker: Uuid as SqlUuid,
        now: jiff_diesel::Timestamp as Timestamptz,
        all_kinds: Vec<i16> as Array<SmallInt>,
        invitation_kinds: Vec<i16> as Array<SmallInt>,
        reminder_kinds: Vec<i16> as Array<SmallInt>,
        reminded_before: Vec<i32> as Array<Integer>,
        daily_cap: i32 as Integer,
        digest_from: i32 as Integer,
    } -> (SqlUuid, Integer) =
    "WITH clock AS (SELECT " now " AS now, " daily_cap " AS cap, " digest_from " AS digest_from), \
     mine AS MATERIALIZED (SELECT due.email_id, due.member_id, due.kind, held.reminded_before \
       FROM clock, unnest(" ids ", " epochs ", " reminded_before
    ") AS held (email_id, epoch, reminded_before) JOIN due USING (email_id) \
       WHERE due.lease_epoch = held.epoch AND due.phase = 1 AND due.leased_by = " worker
    " AND coalesce(due.lease_until > statement_timestamp(), false) AND NOT EXISTS (SELECT FROM fence WHERE fence.invitation_id = due.invitation_id AND ( \
         fence.sequence > due.sequence AND due.kind = ANY(" all_kinds ") \
         OR fence.invitation_sequence > due.sequence AND due.kind = ANY(" invitation_kinds ") \
         OR fence.reminders_sequence > due.sequence AND due.kind = ANY(" reminder_kinds "))) \
       ORDER BY due.email_id FOR UPDATE OF due), \
     unit AS MATERIALIZED (SELECT member_id, min(kind) AS kind, min(reminded_before) AS reminded_before, \
       CASE WHEN min(kind) = 2 THEN array_fill(now, ARRAY[count(*)::int]) ELSE '{}' END AS reminded_at \
       FROM mine, clock GROUP BY member_id, now), \
     known AS MATERIALIZED (SELECT reader.*, unit.kind, unit.reminded_before, unit.reminded_at AS more \
       FROM unit JOIN reader USING (member_id) ORDER BY member_id FOR UPDATE OF reader), \
     met AS (INSERT INTO reader (member_id, sent_at, reminded_at) SELECT member_id, ARRAY[now], reminded_at \
       FROM unit, clock WHERE member_id NOT IN (SELECT member_id FROM known) ORDER BY member_id \
       ON CONFLICT DO NOTHING RETURNING member_id), \
     told AS (UPDATE reader SET \
         sent_at = (known.sent_at || now)[greatest(1, cardinality(known.sent_at) + 2 - cap):], \
         reminded_at = (known.reminded_at || known.more)[greatest(1, cardinality(known.reminded_at || known.more) + 1 - digest_from):] \
       FROM known, clock WHERE reader.member_id = known.member_id \
         AND NOT known.contact_restricted AND known.kind <> ALL(known.off) AND (known.kind <> 2 OR 1 <> ALL(known.off)) \
         AND (cap = 0 OR cardinality(known.sent_at) < cap \
           OR known.sent_at[cardinality(known.sent_at) - cap + 1] <= now - interval '1 day') \
         AND (known.kind <> 2 OR known.reminded_before > \
           (SELECT count(*) FROM unnest(known.reminded_at) AS at WHERE at > now - interval '7 days')) \
       RETURNING reader.member_id) \
     UPDATE due SET phase = 2 FROM mine WHERE due.email_id = mine.email_id \
       AND (mine.member_id IN (SELECT member_id FROM met UNION ALL SELECT member_id FROM told)) IS TRUE \
     RETURNING due.email_id, due.lease_epoch"
}

statement! {
    /// Leaves out rows that somebody else has locked, who ends or moves them, so that they do not hold up the others. Its
    /// one row is the time by Postgres' clock.
    struct Extend {
        ids: Vec<Uuid> as Array<SqlUuid>,
        epochs: Vec<i32> as Array<Integer>,
        worker: Uuid as SqlUuid,
        lease_ms: i64 as BigInt,
    } -> Timestamptz =
    "WITH mine AS MATERIALIZED (SELECT due.email_id FROM unnest(" ids ", " epochs
    ") AS held (email_id, epoch) JOIN due USING (email_id) \
       WHERE due.lease_epoch = held.epoch AND due.leased_by = " worker
    " ORDER BY due.email_id FOR UPDATE OF due SKIP LOCKED), \
     kept AS (UPDATE due SET lease_until = statement_timestamp() + " lease_ms " * interval '1 millisecond' \
       FROM mine WHERE due.email_id = mine.email_id) \
     SELECT statement_timestamp()"
}

statement! {
    struct Release { worker: Uuid as SqlUuid } -> BigInt =
    "WITH mine AS MATERIALIZED (SELECT email_id FROM due WHERE leased_by = " worker
    " AND phase = 1 ORDER BY email_id FOR UPDATE), \
     given AS (UPDATE due SET phase = 0, leased_by = NULL, lease_until = NULL FROM mine \
       WHERE due.email_id = mine.email_id RETURNING 1) \
     SELECT count(*) FROM given"
}

/// What goes out as one message to one reader: several emails are reminders that were put together.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) held: Vec<Held>,
    pub(crate) member_id: Uuid,
    pub(crate) company: Company,
}

/// Marks that the bodies of these messages begin, each for another reader. Answers the emails that may go out: still
/// held, not cancelled meanwhile, and not against what their reader wants or how much they got.
pub(crate) fn mark(
    connection: &mut PgConnection,
    units: &[Unit],
    worker: Uuid,
    restraint: &Restraint,
    now: Timestamp,
) -> QueryResult<HashSet<Held>> {
    let most = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let held = || units.iter().flat_map(|unit| &unit.held);
    let before = |unit: &Unit| {
        let before = most(restraint.reminded_before(unit.company));
        std::iter::repeat_n(before, unit.held.len())
    };
    let marked: Vec<(Uuid, i32)> = Mark {
        ids: held().map(|held| held.email_id).collect(),
        epochs: held().map(|held| held.epoch).collect(),
        worker,
        now: now.to_diesel(),
        all_kinds: kind_codes(Scope::All),
        invitation_kinds: kind_codes(Scope::Invitation),
        reminder_kinds: kind_codes(Scope::Reminders),
        reminded_before: units.iter().flat_map(before).collect(),
        daily_cap: most(restraint.daily_cap),
        digest_from: most(restraint.digest_from),
    }
    .load(connection)?;
    Ok(marked
        .into_iter()
        .map(|(email_id, epoch)| Held { email_id, epoch })
        .collect())
}

/// Extends the leases of what is still held. Answers the database's time.
pub(crate) fn extend(
    connection: &mut PgConnection,
    held: &[Held],
    worker: Uuid,
    lease: Duration,
) -> QueryResult<Timestamp> {
    let (ids, epochs) = columns(held);
    let extend = Extend {
        ids,
        epochs,
        worker,
        lease_ms: milliseconds(lease),
    };
    let now: jiff_diesel::Timestamp = extend.get_result(connection)?;
    Ok(now.into())
}

/// Gives back what this worker holds and has not begun. Answers how many those were.
pub(crate) fn release(connection: &mut PgConnection, worker: Uuid) -> QueryResult<i64> {
    Release { worker }.get_result(connection)
}

pub(super) fn milliseconds(lease: Duration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)
}

fn columns(held: &[Held]) -> (Vec<Uuid>, Vec<i32>) {
    held.iter().map(|held| (held.email_id, held.epoch)).unzip()
}
