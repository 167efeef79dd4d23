//! Connections.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, PgConnection, QueryDsl, QueryResult,
    RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, Record, Text, Uuid as SqlUuid},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    codec::{Time, impossible, time},
    prepared::prepared,
    schema::connection,
};

/// One member's side of a connection: the other member, and since when.
pub type Side = (Uuid, Timestamp);

/// A member's connections in short, as a viewer sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How many the member has.
    pub total: i32,
    /// How many of them the viewer has, too.
    pub shared: i32,
    /// Up to three of them, with their names: shared ones first, newest first, never the viewer.
    pub named: Vec<(Uuid, String)>,
}

/// Whose connections, seen by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SummaryKey {
    /// Who looks.
    pub viewer_id: Uuid,
    /// At whose connections.
    pub member_id: Uuid,
}

/// Up to `limit` connections of a member, newest first, those before `before` only.
pub fn page(db: &mut PgConnection, member_id: Uuid, before: Side, limit: i64) -> QueryResult<Vec<Side>> {
    let (other_id, at) = before;
    let earlier = connection::connected_at.lt(time(at)).or(connection::connected_at
        .eq(time(at))
        .and(connection::other_id.lt(other_id)));
    let rows: Vec<(Uuid, Time)> = connection::table
        .filter(
            connection::member_id
                .eq(member_id)
                .and(connection::connected_at.le(time(at))),
        )
        .filter(earlier)
        .order((connection::connected_at.desc(), connection::other_id.desc()))
        .limit(limit)
        .select((connection::other_id, connection::connected_at))
        .load(db)?;
    Ok(rows
        .into_iter()
        .map(|(other_id, at)| (other_id, at.to_jiff()))
        .collect())
}

/// Since when two members are connected.
pub fn since(db: &mut PgConnection, member_id: Uuid, other_id: Uuid) -> QueryResult<Option<Timestamp>> {
    let row = connection::table
        .find((member_id, other_id))
        .select(connection::connected_at);
    Ok(row.first::<Time>(db).optional()?.map(Time::to_jiff))
}

/// The summary of each key, in the order of the keys; none where the two are not connected.
pub fn summaries(db: &mut PgConnection, keys: &[SummaryKey]) -> QueryResult<Vec<Option<Summary>>> {
    let statement = Summaries {
        viewers: &keys.iter().map(|key| key.viewer_id).collect(),
        members: &keys.iter().map(|key| key.member_id).collect(),
    };
    let mut found = vec![None; keys.len()];
    for (ord, total, shared, named) in statement.load::<(i64, i64, i64, Vec<(Uuid, String)>)>(db)? {
        let at = usize::try_from(ord - 1).map_err(|_| impossible("ord"))?;
        let count = |count: i64| i32::try_from(count).map_err(|_| impossible("count"));
        *found.get_mut(at).ok_or_else(|| impossible("ord"))? = Some(Summary {
            total: count(total)?,
            shared: count(shared)?,
            named,
        });
    }
    Ok(found)
}

struct Summaries<'a> {
    viewers: &'a Vec<Uuid>,
    members: &'a Vec<Uuid>,
}

prepared!(
    Summaries,
    (BigInt, BigInt, BigInt, Array<Record<(SqlUuid, Text)>>)
);

impl QueryFragment<Pg> for Summaries<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Shared ones are looked up one by one. A join of two members who have thousands would compare each with each.
        out.push_sql(
            "SELECT k.ord, \
             (SELECT count(*) FROM connection c WHERE c.member_id = k.member), \
             (SELECT count((SELECT 1 FROM connection v WHERE v.member_id = k.viewer AND v.other_id = c.other_id)) \
               FROM connection c WHERE c.member_id = k.member), \
             ARRAY(SELECT ROW(m.member_id, m.name) FROM connection c JOIN member m ON m.member_id = c.other_id \
                   WHERE c.member_id = k.member AND c.other_id <> k.viewer \
                   ORDER BY (SELECT 1 FROM connection v WHERE v.member_id = k.viewer AND v.other_id = c.other_id), \
                     c.connected_at DESC LIMIT 3) \
             FROM unnest(",
        );
        out.push_bind_param::<Array<SqlUuid>, _>(self.viewers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(self.members)?;
        out.push_sql(
            ") WITH ORDINALITY AS k(viewer, member, ord) \
             WHERE (SELECT true FROM connection c WHERE c.member_id = k.viewer AND c.other_id = k.member)",
        );
        Ok(())
    }
}
