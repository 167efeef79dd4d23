//! What is kept no longer, in bounded sets.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl, sql_query,
    sql_types::{BigInt, Timestamptz},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;

/// Forgets some rows: up to a limit, of a time and earlier. Answers how many.
pub type Forget = fn(&mut PgConnection, Timestamp, i64) -> QueryResult<usize>;

/// Forgets up to `limit` stored answers of `before` and earlier; answers how many.
pub fn requests(db: &mut PgConnection, before: Timestamp, limit: i64) -> QueryResult<usize> {
    sql_query(
        "DELETE FROM request q USING (SELECT request_id, client FROM request WHERE decided_at <= $1 LIMIT $2) old \
         WHERE q.request_id = old.request_id AND q.client = old.client AND q.decided_at <= $1",
    )
    .bind::<Timestamptz, _>(before.to_diesel())
    .bind::<BigInt, _>(limit)
    .execute(db)
}

/// Forgets up to `limit` invitations that were closed before `before`, with their replies; answers how many.
pub fn closed(db: &mut PgConnection, before: Timestamp, limit: i64) -> QueryResult<usize> {
    sql_query(
        "WITH old AS MATERIALIZED (SELECT inviter_id, id, recipient_id FROM sent \
           WHERE closed_at < $1 ORDER BY closed_at LIMIT $2), \
         y AS (DELETE FROM reply USING old WHERE reply.inviter_id = old.inviter_id AND reply.invitation_id = old.id), \
         r AS (DELETE FROM received USING old WHERE received.recipient_id = old.recipient_id AND received.id = old.id) \
         DELETE FROM sent USING old WHERE sent.inviter_id = old.inviter_id AND sent.id = old.id",
    )
    .bind::<Timestamptz, _>(before.to_diesel())
    .bind::<BigInt, _>(limit)
    .execute(db)
}
