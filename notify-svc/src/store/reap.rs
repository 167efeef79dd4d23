//! Taking away leases that ran out, and the size of the queue.

use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl,
    sql_types::{BigInt, Bool, Integer, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{
    emails,
    finish::{Finish, finish},
    lease::Held,
    statement::statement,
};
use crate::domain::{
    delivery::{Phase, Progress},
    kind::Kind,
};

/// A claim whose lease ran out.
#[derive(Debug)]
pub(crate) struct Lapsed {
    pub(crate) held: Held,
    pub(crate) worker: Uuid,
    pub(crate) kind: Kind,
    pub(crate) phase: Phase,
    pub(crate) progress: Progress,
}

statement! {
    struct Expired {
        before: jiff_diesel::Timestamp as Timestamptz,
        limit: i64 as BigInt,
    } -> (SqlUuid, Integer, SqlUuid, SmallInt, SmallInt, SmallInt, SmallInt, Bool) =
    "SELECT email_id, lease_epoch, leased_by, kind, phase, failures, faults, doubted FROM due WHERE lease_until < " before
    " ORDER BY email_id LIMIT " limit " FOR UPDATE SKIP LOCKED"
}

type Row = (Uuid, i32, Uuid, i16, i16, i16, i16, bool);

/// Takes away up to `limit` leases that ran out before a time by Postgres' clock; `decide` says where each email goes.
pub(crate) fn reap(
    connection: &mut PgConnection,
    before: Timestamp,
    now: Timestamp,
    limit: i64,
    decide: impl Fn(&Lapsed) -> Finish,
) -> QueryResult<Vec<(Phase, Finish)>> {
    connection.transaction(|connection| {
        let rows: Vec<Row> = Expired {
            before: before.to_diesel(),
            limit,
        }
        .load(connection)?;
        let mut reaped = Vec::with_capacity(rows.len());
        for (email_id, epoch, worker, kind, phase, failures, faults, doubted) in rows {
            let phase = if phase == Phase::Body as i16 {
                Phase::Body
            } else {
                Phase::Claimed
            };
            let lapsed = Lapsed {
                held: Held { email_id, epoch },
                worker,
                kind: emails::kind(kind)?,
                phase,
                progress: Progress {
                    failures,
                    faults,
                    doubted,
                },
            };
            reaped.push((phase, decide(&lapsed)));
        }
        let finished: Vec<Finish> = reaped.iter().map(|(_, finish)| finish.clone()).collect();
        if !finished.is_empty() {
            finish(connection, &finished, now)?;
        }
        Ok(reaped)
    })
}

/// Open emails of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(crate) kind: Kind,
    pub(crate) count: i64,
    /// Those that a mail server did not take, and that wait to be tried again.
    pub(crate) delayed: i64,
    /// The earliest time that one of them was to go out at and did not: when it was queued, or put off to.
    pub(crate) oldest: Timestamp,
}

statement! {
    struct CountOpen { now: jiff_diesel::Timestamp as Timestamptz } -> (SmallInt, BigInt, BigInt, Timestamptz) =
    "SELECT kind, count(*), count(*) FILTER (WHERE failures + faults > 0), least(min(run_at), " now ") FROM due GROUP BY kind"
}

/// What is open, by kind; `oldest` is `now` where nothing is late.
pub(crate) fn open(connection: &mut PgConnection, now: Timestamp) -> QueryResult<Vec<Open>> {
    let count = CountOpen { now: now.to_diesel() };
    let rows: Vec<(i16, i64, i64, jiff_diesel::Timestamp)> = count.load(connection)?;
    let open = rows.into_iter().map(|(code, count, delayed, oldest)| {
        Ok(Open {
            kind: emails::kind(code)?,
            count,
            delayed,
            oldest: oldest.into(),
        })
    });
    open.collect()
}
