//! What the feed lets go of.

use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{BigInt, SmallInt, Timestamptz},
};
use jiff::Timestamp;

use super::hold;
use crate::store::{
    codec::{Time, time},
    outbox::LANES,
    prepared::prepared,
};

/// Lets go of up to `limit` positions of each lane, from the oldest on, as far as their transitions happened at `before`
/// and earlier; answers how many. A lane whose head somebody else holds is left for the next time.
pub fn trim(db: &mut PgConnection, before: Timestamp, limit: i64) -> QueryResult<usize> {
    let mut gone = 0;
    for lane in 0..LANES {
        gone += trim_lane(db, lane, time(before), limit)?;
    }
    Ok(gone)
}

fn trim_lane(db: &mut PgConnection, lane: i16, before: Time, limit: i64) -> QueryResult<usize> {
    db.transaction(|db| {
        let Some((_, trimmed)) = hold(db, lane)? else {
            return Ok(0);
        };
        let upto: Vec<i64> = Trim {
            lane: &lane,
            trimmed: &trimmed,
            before: &before,
            limit: &limit,
        }
        .load(db)?;
        let gone = upto.first().map_or(0, |upto| upto - trimmed);
        Ok(usize::try_from(gone).unwrap_or_default())
    })
}

struct Trim<'a> {
    lane: &'a i16,
    trimmed: &'a i64,
    before: &'a Time,
    limit: &'a i64,
}

prepared!(Trim, BigInt);

impl QueryFragment<Pg> for Trim<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            lane,
            trimmed,
            before,
            limit,
        } = *self;
        out.push_sql("WITH old AS MATERIALIZED (SELECT position, happened_at FROM feed WHERE lane = ");
        out.push_bind_param::<SmallInt, _>(lane)?;
        out.push_sql(" AND position > ");
        out.push_bind_param::<BigInt, _>(trimmed)?;
        out.push_sql(" ORDER BY position LIMIT ");
        out.push_bind_param::<BigInt, _>(limit)?;
        out.push_sql("), upto AS MATERIALIZED (SELECT coalesce(min(position) FILTER (WHERE happened_at > ");
        out.push_bind_param::<Timestamptz, _>(before)?;
        out.push_sql(
            ") - 1, max(position)) AS position FROM old), \
             gone AS (DELETE FROM feed USING upto WHERE feed.lane = ",
        );
        out.push_bind_param::<SmallInt, _>(lane)?;
        out.push_sql(" AND feed.position > ");
        out.push_bind_param::<BigInt, _>(trimmed)?;
        out.push_sql(" AND feed.position <= upto.position) UPDATE feed_head h SET trimmed = upto.position FROM upto WHERE h.lane = ");
        out.push_bind_param::<SmallInt, _>(lane)?;
        out.push_sql(" AND upto.position > ");
        out.push_bind_param::<BigInt, _>(trimmed)?;
        out.push_sql(" RETURNING h.trimmed");
        Ok(())
    }
}
