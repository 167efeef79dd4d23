//! Accounts are made with their member; a send replaces the version it was judged by.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Binary, Integer, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::columns;
use crate::{domain::account::Account, store::codec::sends_to_bytes};

#[derive(Default)]
pub(super) struct Accounts {
    member_id: Vec<Uuid>,
    version: Vec<i64>,
    sends: Vec<Vec<u8>>,
    lifetime_sends: Vec<i32>,
}

impl Accounts {
    pub(super) fn push(&mut self, account: &Account) {
        self.member_id.push(account.member_id);
        self.version.push(account.version);
        self.sends.push(sends_to_bytes(&account.sends));
        self.lifetime_sends
            .push(i32::try_from(account.lifetime_sends).unwrap_or(i32::MAX));
    }

    /// `a`: replaced rows.
    pub(super) fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "a AS (UPDATE account SET version = w.version + 1, sends = w.sends, lifetime_sends = w.lifetime_sends \
             FROM unnest(",
        );
        columns!(out, SqlUuid => &self.member_id, BigInt => &self.version, Binary => &self.sends,
            Integer => &self.lifetime_sends);
        out.push_sql(
            ") AS w(member_id, version, sends, lifetime_sends) \
             WHERE account.member_id = w.member_id AND account.version = w.version RETURNING 1)",
        );
        Ok(())
    }
}
