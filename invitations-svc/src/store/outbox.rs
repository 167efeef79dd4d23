//! Transitions on their way to notify-svc: claimed by state, one lane at a time, deleted when they are there.

use std::time::Duration;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_query,
    sql_types::{Array, BigInt, Bool, Integer, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use shell::clock::after;
use uuid::Uuid;

use super::{
    codec::{Time, event, read_count, time},
    prepared::prepared,
};
use crate::domain::transition::Event;

/// How many lanes there are. Workers and distributed nodes claim lanes apart from each other.
pub const LANES: i16 = 8;

/// The lane of two members: what happens between them stays in one.
pub fn lane(one: Uuid, other: Uuid) -> i16 {
    i16::from(one.as_bytes()[15] ^ other.as_bytes()[15]) % LANES
}

/// A claimed transition. The claim holds until `lease`, which also tells it from a later claim.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The transition.
    pub event: Event,
    /// How often it was claimed.
    pub attempts: i32,
    lease: Time,
}

/// Claims up to `limit` due transitions of a lane for `lease`.
pub fn claim(
    db: &mut PgConnection,
    lane: i16,
    now: Timestamp,
    lease: Duration,
    limit: i64,
) -> QueryResult<Vec<Claimed>> {
    type Row = (Uuid, i64, i16, Uuid, Uuid, String, i16, bool, Time, i32);
    let lease = time(after(now, lease));
    let statement = Claim {
        lane: &lane,
        now: &time(now),
        lease: &lease,
        limit: &limit,
    };
    let read = |row: Row| {
        let (
            invitation_id,
            sequence,
            code,
            inviter_id,
            recipient_id,
            text,
            number,
            hidden,
            happened_at,
            attempts,
        ) = row;
        let kind = event(code)?;
        let event = Event {
            kind,
            invitation_id,
            sequence,
            inviter_id,
            recipient_id,
            text,
            number: read_count(number, "number")?,
            hidden,
            mails: true,
            happened_at: happened_at.to_jiff(),
        };
        Ok(Claimed {
            event,
            attempts,
            lease,
        })
    };
    statement.load::<Row>(db)?.into_iter().map(read).collect()
}

/// The number up to which [`waiting`] counts.
pub const COUNTED: i64 = 100_000;

/// How many transitions wait or are under way, counted up to [`COUNTED`].
pub fn waiting(db: &mut PgConnection) -> QueryResult<i64> {
    Waiting(&COUNTED).get_result(db)
}

/// Whether notify-svc has yet to hear of a transition of the member's.
pub fn is_waiting_for(db: &mut PgConnection, member_id: Uuid) -> QueryResult<bool> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        waiting: bool,
    }
    let row: Row = sql_query(
        "SELECT EXISTS (SELECT FROM outbox WHERE due_at IS NOT NULL AND (inviter_id = $1 OR recipient_id = $1)) AS waiting",
    )
    .bind::<SqlUuid, _>(member_id)
    .get_result(db)?;
    Ok(row.waiting)
}

/// Forgets transitions that notify-svc has; those that the feed does not have yet stay for it.
pub fn delete(db: &mut PgConnection, done: &[Claimed]) -> QueryResult<()> {
    let keys = Keys::of(done);
    let mut forget = || Delete { keys: &keys }.get_result::<i64>(db);
    if forget()? < i64::try_from(done.len()).unwrap_or(i64::MAX) {
        // What the feed took in between, neither half of the statement has found. It would be delivered again.
        forget()?;
    }
    Ok(())
}

/// Gives claimed transitions back, to be claimed again at `due_at`.
pub fn release(db: &mut PgConnection, claimed: &[Claimed], due_at: Timestamp) -> QueryResult<usize> {
    Release {
        keys: &Keys::of(claimed),
        due_at: &time(due_at),
    }
    .execute(db)
}

/// Puts transitions aside that notify-svc refuses for good, and answers how many; one that the feed does not have yet
/// stays until its lease has run out.
pub fn bury(db: &mut PgConnection, refused: &[Claimed], now: Timestamp, reason: &str) -> QueryResult<usize> {
    Bury {
        keys: &Keys::of(refused),
        died_at: &time(now),
        reason,
    }
    .execute(db)
}

struct Waiting<'a>(&'a i64);

prepared!(Waiting, BigInt);

impl QueryFragment<Pg> for Waiting<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT count(*) FROM (SELECT 1 FROM outbox WHERE due_at IS NOT NULL LIMIT ");
        out.push_bind_param::<BigInt, _>(self.0)?;
        out.push_sql(") AS counted");
        Ok(())
    }
}

struct Claim<'a> {
    lane: &'a i16,
    now: &'a Time,
    lease: &'a Time,
    limit: &'a i64,
}

prepared!(
    Claim,
    (
        SqlUuid,
        BigInt,
        SmallInt,
        SqlUuid,
        SqlUuid,
        Text,
        SmallInt,
        Bool,
        Timestamptz,
        Integer
    )
);

impl QueryFragment<Pg> for Claim<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH due AS MATERIALIZED (SELECT lane, invitation_id, sequence FROM outbox WHERE lane = ",
        );
        out.push_bind_param::<SmallInt, _>(self.lane)?;
        out.push_sql(" AND due_at <= ");
        out.push_bind_param::<Timestamptz, _>(self.now)?;
        out.push_sql(" ORDER BY lane, invitation_id, sequence LIMIT ");
        out.push_bind_param::<BigInt, _>(self.limit)?;
        out.push_sql(" FOR UPDATE SKIP LOCKED) UPDATE outbox o SET due_at = ");
        out.push_bind_param::<Timestamptz, _>(self.lease)?;
        out.push_sql(
            ", attempts = o.attempts + 1 FROM due \
             WHERE o.lane = due.lane AND o.invitation_id = due.invitation_id AND o.sequence = due.sequence \
             RETURNING o.invitation_id, o.sequence, o.event, o.inviter_id, o.recipient_id, o.text, o.number, \
             o.hidden, o.happened_at, o.attempts",
        );
        Ok(())
    }
}

/// The rows of claims, each with the lease that makes the claim valid.
struct Keys {
    lane: Vec<i16>,
    invitation_id: Vec<Uuid>,
    sequence: Vec<i64>,
    lease: Vec<Time>,
}

impl Keys {
    fn of(claimed: &[Claimed]) -> Self {
        Self {
            lane: claimed
                .iter()
                .map(|claim| lane(claim.event.inviter_id, claim.event.recipient_id))
                .collect(),
            invitation_id: claimed.iter().map(|claim| claim.event.invitation_id).collect(),
            sequence: claimed.iter().map(|claim| claim.event.sequence).collect(),
            lease: claimed.iter().map(|claim| claim.lease).collect(),
        }
    }

    /// `unnest(…) AS k WHERE o is the row of k and still claimed`.
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        out.push_bind_param::<Array<SmallInt>, _>(&self.lane)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.invitation_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.sequence)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.lease)?;
        out.push_sql(
            ") AS k(lane, invitation_id, sequence, lease) \
             WHERE o.lane = k.lane AND o.invitation_id = k.invitation_id AND o.sequence = k.sequence \
             AND o.due_at = k.lease",
        );
        Ok(())
    }
}

struct Delete<'a> {
    keys: &'a Keys,
}

prepared!(Delete, BigInt);

impl QueryFragment<Pg> for Delete<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // The feed tells no texts.
        out.push_sql("WITH kept AS (UPDATE outbox o SET due_at = NULL, text = '' FROM ");
        self.keys.walk(out.reborrow())?;
        // Not the bare column: the planner would go through all that the feed waits for instead of looking keys up.
        out.push_sql(" AND coalesce(o.unfed, false) RETURNING 1), gone AS (DELETE FROM outbox o USING ");
        self.keys.walk(out.reborrow())?;
        out.push_sql(
            " AND NOT o.unfed RETURNING 1) SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM gone)",
        );
        Ok(())
    }
}

struct Release<'a> {
    keys: &'a Keys,
    due_at: &'a Time,
}

prepared!(Release, ());

impl QueryFragment<Pg> for Release<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE outbox o SET due_at = ");
        out.push_bind_param::<Timestamptz, _>(self.due_at)?;
        out.push_sql(" FROM ");
        self.keys.walk(out.reborrow())
    }
}

struct Bury<'a> {
    keys: &'a Keys,
    died_at: &'a Time,
    reason: &'a str,
}

prepared!(Bury, ());

impl QueryFragment<Pg> for Bury<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH gone AS (DELETE FROM outbox o USING ");
        self.keys.walk(out.reborrow())?;
        out.push_sql(
            " AND NOT o.unfed RETURNING o.lane, o.invitation_id, o.sequence, o.event, o.inviter_id, o.recipient_id, o.text, \
             o.happened_at, o.number) \
             INSERT INTO outbox_dead (lane, invitation_id, sequence, event, inviter_id, recipient_id, text, \
             happened_at, number, died_at, reason) SELECT gone.*, ",
        );
        out.push_bind_param::<Timestamptz, _>(self.died_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.reason)?;
        out.push_sql(" FROM gone");
        Ok(())
    }
}
