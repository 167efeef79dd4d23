//! Locks on the rows a batch is judged by, one key at a time in key order: how a batch that lost a race is done again.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Integer, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::prepared::prepared;
use crate::domain::pair::PairKey;

/// Locks accounts, then pairs, until the transaction ends. Both are sorted; rows that do not exist yet are passed over.
pub fn lock(connection: &mut PgConnection, accounts: &[Uuid], pairs: &[PairKey]) -> QueryResult<()> {
    for member_id in accounts {
        LockAccount(member_id).execute(connection)?;
    }
    for key in pairs {
        LockPair(key).execute(connection)?;
    }
    Ok(())
}

struct LockAccount<'a>(&'a Uuid);

prepared!(LockAccount, Integer);

impl QueryFragment<Pg> for LockAccount<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT 1 FROM account WHERE member_id = ");
        out.push_bind_param::<SqlUuid, _>(self.0)?;
        out.push_sql(" FOR UPDATE");
        Ok(())
    }
}

struct LockPair<'a>(&'a PairKey);

prepared!(LockPair, Integer);

impl QueryFragment<Pg> for LockPair<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT 1 FROM pair WHERE lo = ");
        out.push_bind_param::<SqlUuid, _>(&self.0.lo)?;
        out.push_sql(" AND hi = ");
        out.push_bind_param::<SqlUuid, _>(&self.0.hi)?;
        out.push_sql(" FOR UPDATE");
        Ok(())
    }
}
