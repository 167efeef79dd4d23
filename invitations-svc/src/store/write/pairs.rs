//! Pairs: a new one may not exist, an old one must still have the version it was judged by.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Binary, Bool, Nullable, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::columns;
use crate::{
    domain::pair::Pair,
    store::codec::{Time, optional_time, sends_to_bytes, time},
};

#[derive(Default)]
pub(super) struct Pairs {
    lo: Vec<Uuid>,
    hi: Vec<Uuid>,
    version: Vec<i64>,
    connected_at: Vec<Option<Time>>,
    open_id: Vec<Option<Uuid>>,
    open_from_lo: Vec<Option<bool>>,
    open_until: Vec<Option<Time>>,
    lo_sends: Vec<Vec<u8>>,
    hi_sends: Vec<Vec<u8>>,
}

impl Pairs {
    pub(super) fn push(&mut self, pair: &Pair) {
        self.lo.push(pair.key.lo);
        self.hi.push(pair.key.hi);
        self.version.push(pair.version);
        self.connected_at.push(optional_time(pair.connected_at));
        self.open_id.push(pair.open.map(|open| open.id));
        self.open_from_lo
            .push(pair.open.map(|open| open.inviter_id == pair.key.lo));
        self.open_until.push(pair.open.map(|open| time(open.until)));
        self.lo_sends.push(sends_to_bytes(&pair.lo_sends));
        self.hi_sends.push(sends_to_bytes(&pair.hi_sends));
    }

    /// `p`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "p AS (INSERT INTO pair (lo, hi, version, connected_at, open_id, open_from_lo, open_until, lo_sends, \
             hi_sends) SELECT w.lo, w.hi, w.version + 1, w.connected_at, w.open_id, w.open_from_lo, w.open_until, \
             w.lo_sends, w.hi_sends FROM ",
        );
        self.unnest(out.reborrow())?;
        out.push_sql(" RETURNING 1)");
        Ok(())
    }

    /// `pu`: replaced rows.
    pub(super) fn update<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "pu AS (UPDATE pair SET version = w.version + 1, connected_at = w.connected_at, open_id = w.open_id, \
             open_from_lo = w.open_from_lo, open_until = w.open_until, lo_sends = w.lo_sends, hi_sends = w.hi_sends \
             FROM ",
        );
        self.unnest(out.reborrow())?;
        out.push_sql(" WHERE pair.lo = w.lo AND pair.hi = w.hi AND pair.version = w.version RETURNING 1)");
        Ok(())
    }

    fn unnest<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        columns!(out, SqlUuid => &self.lo, SqlUuid => &self.hi, BigInt => &self.version,
            Nullable<Timestamptz> => &self.connected_at, Nullable<SqlUuid> => &self.open_id,
            Nullable<Bool> => &self.open_from_lo, Nullable<Timestamptz> => &self.open_until,
            Binary => &self.lo_sends, Binary => &self.hi_sends);
        out.push_sql(
            ") AS w(lo, hi, version, connected_at, open_id, open_from_lo, open_until, lo_sends, hi_sends)",
        );
        Ok(())
    }
}
