//! Which invitations a worker has to look at.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{BigInt, Nullable, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    codec::{Time, time},
    prepared::prepared,
};
use crate::domain::command::Received;

/// A place in the order of what is due.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// When it is due.
    pub at: Timestamp,
    /// The invitation.
    pub id: Uuid,
}

impl Place {
    /// Before everything.
    pub const START: Self = Self {
        at: Timestamp::UNIX_EPOCH,
        id: Uuid::nil(),
    };
}

/// Up to `limit` invitations that are due at `now` and come after `after`, and the place of the last.
pub fn page(
    db: &mut PgConnection,
    now: Timestamp,
    after: Place,
    limit: i64,
) -> QueryResult<(Vec<Received>, Place)> {
    let statement = Page {
        now: &time(now),
        after_at: &time(after.at),
        after_id: &after.id,
        limit: &limit,
    };
    let rows: Vec<(Uuid, Uuid, Time)> = statement.load(db)?;
    let place = rows.last().map_or(after, |(_, id, at)| Place {
        at: at.to_jiff(),
        id: *id,
    });
    let named = |(recipient_id, invitation_id, _)| Received {
        recipient_id,
        invitation_id,
    };
    Ok((rows.into_iter().map(named).collect(), place))
}

/// Since when the oldest one that is due at `now` waits.
pub fn oldest(db: &mut PgConnection, now: Timestamp) -> QueryResult<Option<Timestamp>> {
    let at: Option<Time> = Oldest(&time(now)).get_result(db)?;
    Ok(at.map(Time::to_jiff))
}

struct Page<'a> {
    now: &'a Time,
    after_at: &'a Time,
    after_id: &'a Uuid,
    limit: &'a i64,
}

prepared!(Page, (SqlUuid, SqlUuid, Timestamptz));

impl QueryFragment<Pg> for Page<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT recipient_id, id, due_at FROM received WHERE due_at <= ");
        out.push_bind_param::<Timestamptz, _>(self.now)?;
        out.push_sql(" AND (due_at, id) > (");
        out.push_bind_param::<Timestamptz, _>(self.after_at)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(self.after_id)?;
        out.push_sql(") ORDER BY due_at, id LIMIT ");
        out.push_bind_param::<BigInt, _>(self.limit)?;
        Ok(())
    }
}

struct Oldest<'a>(&'a Time);

prepared!(Oldest, Nullable<Timestamptz>);

impl QueryFragment<Pg> for Oldest<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT min(due_at) FROM received WHERE due_at <= ");
        out.push_bind_param::<Timestamptz, _>(self.0)
    }
}
