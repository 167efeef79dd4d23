//! Windows of the feed.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::{
    domain::audience::{Audience, Followed},
    store::{
        codec::{Time, event},
        prepared::prepared,
    },
};

/// Positions of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The lane.
    pub lane: i16,
    /// They begin after this one.
    pub after: i64,
    /// The last of them.
    pub upto: i64,
}

impl Range {
    /// How many positions it has.
    pub fn len(&self) -> i64 {
        self.upto - self.after
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() <= 0
    }
}

/// A transition in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its lane.
    pub lane: i16,
    /// Its position there.
    pub position: i64,
    /// The transition.
    pub followed: Followed,
}

/// What is kept of `ranges`, in the order of lanes and positions; for a member, only what they are part of.
pub fn read(db: &mut PgConnection, ranges: &[Range], audience: Audience) -> QueryResult<Vec<Placed>> {
    type Row = (i16, i64, i16, Uuid, Uuid, Uuid, bool, Time);
    let columns = Columns {
        lanes: ranges.iter().map(|range| range.lane).collect(),
        after: ranges.iter().map(|range| range.after).collect(),
        upto: ranges.iter().map(|range| range.upto).collect(),
        longest: ranges.iter().map(Range::len).max().unwrap_or_default(),
        member_id: match audience {
            Audience::Service => None,
            Audience::Member(id) => Some(id),
        },
    };
    let placed = |row: Row| {
        let (lane, position, code, invitation_id, inviter_id, recipient_id, hidden, at) = row;
        let followed = Followed {
            kind: event(code)?,
            invitation_id,
            inviter_id,
            recipient_id,
            hidden,
            happened_at: at.to_jiff(),
        };
        Ok(Placed {
            lane,
            position,
            followed,
        })
    };
    let rows: Vec<Row> = Read { columns: &columns }.load(db)?;
    rows.into_iter().map(placed).collect()
}

struct Columns {
    lanes: Vec<i16>,
    after: Vec<i64>,
    upto: Vec<i64>,
    longest: i64,
    member_id: Option<Uuid>,
}

struct Read<'a> {
    columns: &'a Columns,
}

prepared!(
    Read,
    (
        SmallInt,
        BigInt,
        SmallInt,
        SqlUuid,
        SqlUuid,
        SqlUuid,
        Bool,
        Timestamptz
    )
);

impl QueryFragment<Pg> for Read<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let member_id = &self.columns.member_id;
        out.push_sql("SELECT f.* FROM unnest(");
        out.push_bind_param::<Array<SmallInt>, _>(&self.columns.lanes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.columns.after)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.columns.upto)?;
        out.push_sql(
            ") AS k(lane, after, upto), LATERAL (SELECT lane, position, event, invitation_id, inviter_id, recipient_id, \
             hidden, happened_at FROM feed \
             WHERE feed.lane = k.lane AND feed.position > k.after AND feed.position <= k.upto AND (",
        );
        out.push_bind_param::<Nullable<SqlUuid>, _>(member_id)?;
        out.push_sql(" IS NULL OR feed.inviter_id = ");
        out.push_bind_param::<Nullable<SqlUuid>, _>(member_id)?;
        out.push_sql(" OR feed.recipient_id = ");
        out.push_bind_param::<Nullable<SqlUuid>, _>(member_id)?;
        // The limit cuts nothing off: it tells Postgres to go along the key, lane by lane.
        out.push_sql(") ORDER BY feed.position LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.columns.longest)?;
        out.push_sql(") AS f ORDER BY f.lane, f.position");
        Ok(())
    }
}
