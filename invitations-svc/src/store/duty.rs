//! Which process does which work.

use std::time::Duration;

use diesel::{
    OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Integer, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use shell::clock::after;
use uuid::Uuid;

use super::{
    codec::{Time, time},
    prepared::prepared,
};

/// Takes the duty `name` for `length`, or keeps it; answers whether it is `holder`'s. Two that both believe to hold it
/// do no harm: all they do is judged again where it is written.
pub fn take(
    db: &mut PgConnection,
    name: &str,
    holder: Uuid,
    now: Timestamp,
    length: Duration,
) -> QueryResult<bool> {
    let statement = Take {
        name,
        holder: &holder,
        now: &time(now),
        until: &time(after(now, length)),
    };
    let taken: Option<i32> = statement.get_result(db).optional()?;
    Ok(taken.is_some())
}

struct Take<'a> {
    name: &'a str,
    holder: &'a Uuid,
    now: &'a Time,
    until: &'a Time,
}

prepared!(Take, Integer);

impl QueryFragment<Pg> for Take<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("INSERT INTO duty (name, holder, until) VALUES (");
        out.push_bind_param::<Text, _>(self.name)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(self.holder)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(self.until)?;
        out.push_sql(
            ") ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
             WHERE duty.holder = excluded.holder OR duty.until <= ",
        );
        out.push_bind_param::<Timestamptz, _>(self.now)?;
        out.push_sql(" RETURNING 1");
        Ok(())
    }
}
