//! Accounts are made with their member; whatever changes one replaces the version it was judged by.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::rows;
use crate::{
    domain::account::Account,
    store::codec::{Time, count, restriction_code, small, time, times_to_bytes},
};

#[derive(Default)]
pub(super) struct Accounts {
    member_id: Vec<Uuid>,
    version: Vec<i64>,
    erased: Vec<bool>,
    sends: Vec<Vec<u8>>,
    lifetime_sends: Vec<i32>,
    granted: Vec<i32>,
    outstanding: Vec<i32>,
    connections: Vec<i32>,
    strikes: Vec<Vec<u8>>,
    ladder_step: Vec<i16>,
    restriction: Vec<Option<i16>>,
    restricted_until: Vec<Option<Time>>,
}

impl Accounts {
    pub(super) fn push(&mut self, account: &Account) {
        self.member_id.push(account.member_id);
        self.version.push(account.version);
        self.erased.push(account.erased);
        self.sends.push(times_to_bytes(&account.sends));
        self.lifetime_sends.push(count(account.lifetime_sends));
        self.granted.push(count(account.granted));
        self.outstanding.push(count(account.outstanding));
        self.connections.push(count(account.connections));
        self.strikes.push(times_to_bytes(&account.strikes));
        self.ladder_step.push(small(account.ladder_step));
        let restriction = account.restriction;
        self.restriction
            .push(restriction.map(|restriction| restriction_code(restriction.kind)));
        self.restricted_until
            .push(restriction.and_then(|restriction| restriction.until).map(time));
    }

    /// `a`: replaced rows.
    pub(super) fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "a AS (UPDATE account SET version = w.version + 1, erased = w.erased, sends = w.sends, \
             lifetime_sends = w.lifetime_sends, granted = w.granted, outstanding = w.outstanding, \
             connections = w.connections, strikes = w.strikes, ladder_step = w.ladder_step, \
             restriction = w.restriction, restricted_until = w.restricted_until FROM ",
        );
        rows!(out, member_id: SqlUuid => &self.member_id, version: BigInt => &self.version,
            erased: Bool => &self.erased, sends: Binary => &self.sends,
            lifetime_sends: Integer => &self.lifetime_sends, granted: Integer => &self.granted,
            outstanding: Integer => &self.outstanding, connections: Integer => &self.connections,
            strikes: Binary => &self.strikes, ladder_step: SmallInt => &self.ladder_step,
            restriction: Nullable<SmallInt> => &self.restriction,
            restricted_until: Nullable<Timestamptz> => &self.restricted_until);
        out.push_sql(" WHERE account.member_id = w.member_id AND account.version = w.version RETURNING 1)");
        Ok(())
    }
}
