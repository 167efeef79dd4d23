//! Members.

use diesel::{
    ExpressionMethods, PgConnection, QueryDsl, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    codec::{Time, policy, policy_code, time},
    prepared::prepared,
    schema::member,
};
use crate::domain::member::Member;

/// The members among `ids`, in no order.
pub fn by_ids(connection: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<Member>> {
    type Row = (Uuid, String, String, String, String, i16, Time);
    let rows: Vec<Row> = member::table
        .filter(member::member_id.eq_any(ids))
        .load(connection)?;
    let read = |(member_id, name, email, locale, time_zone, code, updated_at): Row| {
        let updated_at = updated_at.to_jiff();
        Ok(Member {
            member_id,
            name,
            email,
            locale,
            time_zone,
            invitation_policy: policy(code)?,
            updated_at,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Creates or replaces members, each named once; a new one gets its account, one that was erased has its own again.
pub(super) fn upsert(connection: &mut PgConnection, members: &[Member]) -> QueryResult<()> {
    let statement = Upsert {
        ids: members.iter().map(|member| member.member_id).collect(),
        names: members.iter().map(|member| member.name.as_str()).collect(),
        emails: members.iter().map(|member| member.email.as_str()).collect(),
        locales: members.iter().map(|member| member.locale.as_str()).collect(),
        time_zones: members.iter().map(|member| member.time_zone.as_str()).collect(),
        policies: members
            .iter()
            .map(|member| policy_code(member.invitation_policy))
            .collect(),
        updated_at: members.iter().map(|member| time(member.updated_at)).collect(),
    };
    statement.execute(connection).map(|_| ())
}

/// Takes members out of the table; what they wrote is erased afterwards.
pub(super) fn forget(connection: &mut PgConnection, ids: &[Uuid], now: Timestamp) -> QueryResult<()> {
    diesel::delete(member::table.filter(member::member_id.eq_any(ids))).execute(connection)?;
    let ids = ids.to_vec();
    Forget {
        ids: &ids,
        asked_at: &time(now),
    }
    .execute(connection)
    .map(|_| ())
}

struct Forget<'a> {
    ids: &'a Vec<Uuid>,
    asked_at: &'a Time,
}

prepared!(Forget, ());

impl QueryFragment<Pg> for Forget<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("INSERT INTO erasure (member_id, asked_at) SELECT w.member_id, ");
        out.push_bind_param::<Timestamptz, _>(self.asked_at)?;
        out.push_sql(" FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(self.ids)?;
        out.push_sql(") AS w(member_id) ON CONFLICT (member_id) DO UPDATE SET asked_at = excluded.asked_at");
        Ok(())
    }
}

struct Upsert<'a> {
    ids: Vec<Uuid>,
    names: Vec<&'a str>,
    emails: Vec<&'a str>,
    locales: Vec<&'a str>,
    time_zones: Vec<&'a str>,
    policies: Vec<i16>,
    updated_at: Vec<Time>,
}

prepared!(Upsert, ());

impl QueryFragment<Pg> for Upsert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH a AS (INSERT INTO account (member_id, version, sends, lifetime_sends) \
             SELECT w.member_id, 0, '', 0 FROM unnest(",
        );
        out.push_bind_param::<Array<SqlUuid>, _>(&self.ids)?;
        out.push_sql(
            ") AS w(member_id) ON CONFLICT (member_id) DO UPDATE SET erased = false, \
             version = account.version + 1 WHERE account.erased) \
             INSERT INTO member (member_id, name, email, locale, time_zone, invitation_policy, updated_at) \
             SELECT * FROM unnest(",
        );
        out.push_bind_param::<Array<SqlUuid>, _>(&self.ids)?;
        for texts in [&self.names, &self.emails, &self.locales, &self.time_zones] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Text>, _>(texts)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Array<SmallInt>, _>(&self.policies)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.updated_at)?;
        out.push_sql(
            ") ON CONFLICT (member_id) DO UPDATE SET name = excluded.name, email = excluded.email, \
             locale = excluded.locale, time_zone = excluded.time_zone, \
             invitation_policy = excluded.invitation_policy, updated_at = excluded.updated_at",
        );
        Ok(())
    }
}
