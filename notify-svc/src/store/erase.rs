//! Forgetting a member. Each statement takes a set of emails, so that a busy member's history holds up nobody.
//!
//! Locks are taken as everywhere: rows of `due` in the order of their emails, then emails.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{BigInt, Bool, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{
    emails::{kind, state},
    statement::statement,
};
use crate::domain::email::Outcome;

/// Who is to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Erasure {
    pub(crate) member_id: Uuid,
    /// Only what happened up to here.
    pub(crate) until: Timestamp,
}

statement! {
    /// An email whose body began is left alone, as by a cancel; one in doubt from an attempt before becomes uncertain.
    /// One that only names the member goes on, unless it is in doubt: it could not go out again with the same bytes. What
    /// the emails say goes at once.
    struct Stop {
        member_id: Uuid as SqlUuid,
        until: jiff_diesel::Timestamp as Timestamptz,
        limit: i64 as BigInt,
        now: jiff_diesel::Timestamp as Timestamptz,
    } -> (SmallInt, SmallInt) =
    "WITH asked AS (SELECT " member_id " AS member_id, " until " AS until), \
     theirs AS MATERIALIZED (SELECT id, asked.member_id IN (email.member_id, email.other_id) AS directly \
       FROM asked, email WHERE email.state = 1 AND email.event_time <= asked.until \
       AND (email.member_id = asked.member_id OR email.other_id = asked.member_id \
         OR email.named_ids <> '{}' AND email.named_ids @> ARRAY[asked.member_id])), \
     stopped AS MATERIALIZED (SELECT due.email_id FROM due JOIN theirs ON theirs.id = due.email_id \
       WHERE due.phase < 2 AND (theirs.directly OR due.doubted) ORDER BY due.email_id LIMIT " limit " FOR UPDATE OF due), \
     gone AS (DELETE FROM due USING stopped WHERE due.email_id = stopped.email_id \
       RETURNING due.email_id, due.kind, due.lease_epoch, CASE WHEN due.doubted THEN 6 ELSE 3 END AS state), \
     listed AS (INSERT INTO unsent (state, email_id, kind) SELECT state, email_id, kind FROM gone \
       ON CONFLICT DO NOTHING), \
     attempts AS (DELETE FROM attempt USING gone WHERE attempt.email_id = gone.email_id), \
     bounces AS (DELETE FROM bounce USING gone WHERE bounce.email_id = gone.email_id) \
     UPDATE email SET state = gone.state, final_at = " now ", claims = gone.lease_epoch, \
       letter = NULL, address_hash = '' FROM gone WHERE email.id = gone.email_id RETURNING email.kind, email.state"
}

statement! {
    /// Emails to others that only name the member, but for those in their body or in doubt. A worker that holds one has read
    /// the name already: it loses the claim, also one that it got while this waited for the row. An uncertain one (6) loses all that it says, because nobody may send it again
    /// with other bytes.
    struct Unname {
        member_id: Uuid as SqlUuid,
        until: jiff_diesel::Timestamp as Timestamptz,
        limit: i64 as BigInt,
    } -> BigInt =
    "WITH asked AS (SELECT " member_id " AS member_id, " until " AS until), \
     naming AS MATERIALIZED (SELECT id FROM asked, email WHERE email.named_ids <> '{}' \
       AND email.named_ids @> ARRAY[asked.member_id] AND email.letter IS NOT NULL AND email.event_time <= asked.until \
       AND NOT EXISTS (SELECT FROM due WHERE due.email_id = email.id AND (due.phase = 2 OR due.doubted)) \
       ORDER BY id LIMIT " limit "), \
     waiting AS MATERIALIZED (SELECT due.email_id FROM due JOIN naming ON naming.id = due.email_id \
       WHERE due.phase < 2 AND NOT due.doubted ORDER BY due.email_id FOR UPDATE OF due), \
     taken_back AS (UPDATE due SET phase = 0, leased_by = NULL, lease_until = NULL FROM waiting \
       WHERE due.email_id = waiting.email_id), \
     unnamed AS (UPDATE email SET named_ids = '{}', \
       letter = CASE WHEN email.state <> 6 THEN jsonb_set(letter::jsonb, '{content,names}', '[]', false)::json END, \
       address_hash = CASE WHEN email.state <> 6 THEN address_hash ELSE '' END \
       FROM naming WHERE email.id = naming.id \
         AND (email.state <> 1 OR email.id IN (SELECT email_id FROM waiting)) RETURNING 1) \
     SELECT count(*) FROM unnamed"
}

statement! {
    /// Of emails that have their outcome: only those say the same for ever.
    struct Blank {
        member_id: Uuid as SqlUuid,
        until: jiff_diesel::Timestamp as Timestamptz,
        limit: i64 as BigInt,
    } -> BigInt =
    "WITH asked AS (SELECT " member_id " AS member_id, " until " AS until), \
     theirs AS MATERIALIZED (SELECT id FROM asked, email WHERE email.letter IS NOT NULL AND email.state <> 1 \
       AND email.event_time <= asked.until \
       AND (email.member_id = asked.member_id OR email.other_id = asked.member_id) \
       ORDER BY id LIMIT " limit " FOR UPDATE OF email), \
     attempts AS (DELETE FROM attempt USING theirs WHERE attempt.email_id = theirs.id), \
     bounces AS (DELETE FROM bounce USING theirs WHERE bounce.email_id = theirs.id), \
     blank AS (UPDATE email SET letter = NULL, address_hash = '' FROM theirs WHERE email.id = theirs.id RETURNING 1) \
     SELECT count(*) FROM blank"
}

statement! {
    struct Forget {
        member_id: Uuid as SqlUuid,
        until: jiff_diesel::Timestamp as Timestamptz,
        now: jiff_diesel::Timestamp as Timestamptz,
    } -> SqlUuid =
    "WITH asked AS (SELECT " member_id " AS member_id, " until " AS until, " now " AS now), \
     noted AS (INSERT INTO erased_reader (member_id, until) SELECT member_id, least(until, now) FROM asked \
       ON CONFLICT (member_id) DO UPDATE SET until = greatest(erased_reader.until, excluded.until)) \
     DELETE FROM reader USING asked WHERE reader.member_id = asked.member_id \
       AND (chosen_at IS NULL OR chosen_at <= asked.until) RETURNING reader.member_id"
}

statement! {
    /// In whole seconds, as links have them; what was made in the same second may be of after.
    struct IsErased {
        member_id: Uuid as SqlUuid,
        at: jiff_diesel::Timestamp as Timestamptz,
    } -> Bool =
    "SELECT EXISTS (SELECT FROM erased_reader WHERE member_id = " member_id " AND date_trunc('second', until) > " at ")"
}

statement! {
    struct Left {
        member_id: Uuid as SqlUuid,
        until: jiff_diesel::Timestamp as Timestamptz,
    } -> BigInt =
    "WITH asked AS (SELECT " member_id " AS member_id, " until " AS until) \
     SELECT count(*) FROM asked, email WHERE email.letter IS NOT NULL AND email.event_time <= asked.until \
       AND (email.member_id = asked.member_id OR email.other_id = asked.member_id \
         OR email.named_ids <> '{}' AND email.named_ids @> ARRAY[asked.member_id])"
}

/// Closes up to `limit` open emails to or about the member whose body has not begun. Answers the outcomes.
pub(crate) fn stop_about(
    connection: &mut PgConnection,
    erasure: Erasure,
    limit: i64,
    now: Timestamp,
) -> QueryResult<Vec<Outcome>> {
    let stop = Stop {
        member_id: erasure.member_id,
        until: erasure.until.to_diesel(),
        limit,
        now: now.to_diesel(),
    };
    let closed: Vec<(i16, i16)> = stop.load(connection)?;
    let outcome = |(of, code)| {
        Ok(Outcome {
            kind: kind(of)?,
            state: state(code)?,
        })
    };
    closed.into_iter().map(outcome).collect()
}

/// Takes all names of connections from up to `limit` emails that name the member. Answers how many those were.
pub(crate) fn unname(connection: &mut PgConnection, erasure: Erasure, limit: i64) -> QueryResult<i64> {
    let unname = Unname {
        member_id: erasure.member_id,
        until: erasure.until.to_diesel(),
        limit,
    };
    unname.get_result(connection)
}

/// Takes what they say from up to `limit` closed emails to or about the member, and what was said of them. Answers how
/// many those were.
pub(crate) fn blank_about(connection: &mut PgConnection, erasure: Erasure, limit: i64) -> QueryResult<i64> {
    let blank = Blank {
        member_id: erasure.member_id,
        until: erasure.until.to_diesel(),
        limit,
    };
    blank.get_result(connection)
}

/// Does `work` for a member; answers none where they were erased after a time.
pub(crate) fn unless_erased<T>(
    connection: &mut PgConnection,
    member_id: Uuid,
    at: Timestamp,
    work: impl FnOnce(&mut PgConnection, Uuid) -> QueryResult<T>,
) -> QueryResult<Option<T>> {
    let asked = IsErased {
        member_id,
        at: at.to_diesel(),
    };
    if asked.get_result(connection)? {
        return Ok(None);
    }
    work(connection, member_id).map(Some)
}

/// Forgets what the member chose and got, and that links of before lead to them.
pub(crate) fn forget_reader(
    connection: &mut PgConnection,
    erasure: Erasure,
    now: Timestamp,
) -> QueryResult<()> {
    let forget = Forget {
        member_id: erasure.member_id,
        until: erasure.until.to_diesel(),
        now: now.to_diesel(),
    };
    forget.load::<Uuid>(connection).map(drop)
}

/// How many emails to or about the member still say what they said.
pub(crate) fn left_about(connection: &mut PgConnection, erasure: Erasure) -> QueryResult<i64> {
    let left = Left {
        member_id: erasure.member_id,
        until: erasure.until.to_diesel(),
    };
    left.get_result(connection)
}
