//! Writing down what became of a claim: the move, and the history of its attempt.

use std::collections::HashSet;

use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{
    lease::Held,
    statement::statement,
    suppressions::{self, Reason},
};
use crate::domain::{
    delivery::{Move, Progress},
    diagnostic::words,
    kind::Kind,
    reply::Ending,
};

/// What became of a claim.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub(crate) held: Held,
    /// Who made the claim.
    pub(crate) worker: Uuid,
    pub(crate) kind: Kind,
    pub(crate) to: Move,
    /// None where nothing was tried.
    pub(crate) ending: Option<Ending>,
    /// Whether the address is known to be dead from now on.
    pub(crate) suppress: bool,
}

statement! {
    /// The guard is the epoch and that the lease was not taken away (a row without a lease names no worker): a worker that
    /// stalled past its lease writes nothing, whether or not somebody else works on the email already. And the worker: a
    /// claim that Postgres forgot in a crash may be made again by another one, with the same epoch.
    /// `unsent` only lists what `email` says, so a row that is there already does not stop the others.
    /// A reminder that waits again, or is dead (5), was refused for certain, or its body never began: it is none of those that
    /// its reader got this week, as the mark had counted it. Locks are taken as by the mark.
    struct Write {
        ids: Vec<Uuid> as Array<SqlUuid>,
        epochs: Vec<i32> as Array<Integer>,
        workers: Vec<Uuid> as Array<SqlUuid>,
        states: Vec<Option<i16>> as Array<Nullable<SmallInt>>,
        run_ats: Vec<jiff_diesel::Timestamp> as Array<Timestamptz>,
        failures: Vec<i16> as Array<SmallInt>,
        faults: Vec<i16> as Array<SmallInt>,
        doubted: Vec<bool> as Array<Bool>,
        steps: Vec<Option<i16>> as Array<Nullable<SmallInt>>,
        codes: Vec<Option<i16>> as Array<Nullable<SmallInt>>,
        replies: Vec<String> as Array<Text>,
        relays: Vec<String> as Array<Text>,
        now: jiff_diesel::Timestamp as Timestamptz,
    } -> (SqlUuid, Integer) =
    "WITH told AS MATERIALIZED (SELECT f.*, " epochs "[n::int] AS epoch, " workers "[n::int] AS worker, "
    states "[n::int] AS state, " run_ats "[n::int] AS run_at, " failures "[n::int] AS failures, "
    faults "[n::int] AS faults, " doubted "[n::int] AS doubted, " steps "[n::int] AS step, "
    codes "[n::int] AS code FROM unnest(" ids ", " replies ", " relays ") WITH ORDINALITY AS f (email_id, reply, relay, n)), \
     clock AS (SELECT " now " AS now), \
     mine AS MATERIALIZED (SELECT told.*, due.kind, due.member_id, due.phase FROM told JOIN due USING (email_id) \
       WHERE due.lease_epoch = told.epoch AND due.leased_by = told.worker \
       ORDER BY due.email_id FOR UPDATE OF due), \
     gone AS (DELETE FROM due USING mine WHERE due.email_id = mine.email_id AND mine.state IS NOT NULL), \
     waiting AS (UPDATE due SET phase = 0, leased_by = NULL, lease_until = NULL, run_at = mine.run_at, \
       failures = mine.failures, faults = mine.faults, doubted = mine.doubted \
       FROM mine WHERE due.email_id = mine.email_id AND mine.state IS NULL), \
     spared AS MATERIALIZED (SELECT member_id, count(*)::int AS n FROM mine \
       WHERE kind = 2 AND phase = 2 AND coalesce(state, 5) = 5 GROUP BY member_id), \
     known AS MATERIALIZED (SELECT reader.member_id, reader.reminded_at, spared.n FROM spared JOIN reader USING (member_id) \
       ORDER BY member_id FOR UPDATE OF reader), \
     untold AS (UPDATE reader SET reminded_at = known.reminded_at[:cardinality(known.reminded_at) - known.n] \
       FROM known WHERE reader.member_id = known.member_id), \
     closed AS (UPDATE email SET state = mine.state, final_at = now, claims = mine.epoch \
       FROM mine, clock WHERE email.id = mine.email_id AND mine.state IS NOT NULL), \
     listed AS (INSERT INTO unsent (state, email_id, kind) SELECT state, email_id, kind FROM mine WHERE state > 2 \
       ON CONFLICT DO NOTHING), \
     history AS (INSERT INTO attempt (email_id, n, at, step, code, reply, relay) \
       SELECT email_id, epoch, now, step, code, reply, relay FROM mine, clock WHERE step IS NOT NULL) \
     SELECT email_id, epoch FROM mine"
}

/// Writes what became of these claims. Answers those that were still held.
pub(crate) fn finish(
    connection: &mut PgConnection,
    finished: &[Finish],
    now: Timestamp,
) -> QueryResult<HashSet<Held>> {
    let dead = |written: &HashSet<Held>| -> Vec<(Uuid, String)> {
        let dead = finished
            .iter()
            .filter(|finish| finish.suppress && written.contains(&finish.held));
        let told = |finish: &Finish| finish.ending.as_ref().map(Ending::codes).unwrap_or_default();
        dead.map(|finish| (finish.held.email_id, told(finish))).collect()
    };
    if !finished.iter().any(|finish| finish.suppress) {
        return write(connection, finished, now);
    }
    connection.transaction(|connection| {
        let written = write(connection, finished, now)?;
        suppressions::suppress(connection, &dead(&written), Reason::Refused, now)?;
        Ok(written)
    })
}

fn write(connection: &mut PgConnection, finished: &[Finish], now: Timestamp) -> QueryResult<HashSet<Held>> {
    let state = |to: Move| match to {
        Move::Close(state) => Some(state as i16),
        Move::Wait { .. } => None,
    };
    let wait = |to: Move| match to {
        Move::Close(_) => (now, Progress::default()),
        Move::Wait { run_at, progress } => (run_at, progress),
    };
    let endings = || finished.iter().map(|finish| finish.ending.as_ref());
    let code = |ending: &Ending| ending.code.and_then(|code| i16::try_from(code).ok());
    let written: Vec<(Uuid, i32)> = Write {
        ids: finished.iter().map(|finish| finish.held.email_id).collect(),
        epochs: finished.iter().map(|finish| finish.held.epoch).collect(),
        workers: finished.iter().map(|finish| finish.worker).collect(),
        states: finished.iter().map(|finish| state(finish.to)).collect(),
        run_ats: finished
            .iter()
            .map(|finish| wait(finish.to).0.to_diesel())
            .collect(),
        failures: finished.iter().map(|finish| wait(finish.to).1.failures).collect(),
        faults: finished.iter().map(|finish| wait(finish.to).1.faults).collect(),
        doubted: finished.iter().map(|finish| wait(finish.to).1.doubted).collect(),
        steps: endings()
            .map(|ending| ending.map(|ending| ending.step as i16))
            .collect(),
        codes: endings().map(|ending| ending.and_then(code)).collect(),
        replies: endings()
            .map(|ending| ending.map(|ending| words(&ending.text)).unwrap_or_default())
            .collect(),
        relays: endings().map(relay).collect(),
        now: now.to_diesel(),
    }
    .load(connection)?;
    Ok(written
        .into_iter()
        .map(|(email_id, epoch)| Held { email_id, epoch })
        .collect())
}

fn relay(ending: Option<&Ending>) -> String {
    ending
        .and_then(|ending| ending.relay.as_deref())
        .unwrap_or_default()
        .to_owned()
}
