//! Pairs: a new one may not exist, an old one must still have the version it was judged by.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Binary, Bool, Nullable, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::{Stepped, rows};
use crate::{
    domain::pair::{Pair, Side},
    store::codec::{Time, optional_time, time, times_to_bytes},
};

#[derive(Default)]
pub(super) struct Pairs {
    lo: Vec<Uuid>,
    hi: Vec<Uuid>,
    version: Vec<i64>,
    steps: Vec<i64>,
    connected_at: Vec<Option<Time>>,
    open_id: Vec<Option<Uuid>>,
    open_from_lo: Vec<Option<bool>>,
    open_until: Vec<Option<Time>>,
    lo_side: Sides,
    hi_side: Sides,
}

#[derive(Default)]
struct Sides {
    sends: Vec<Vec<u8>>,
    barred: Vec<bool>,
    struck_at: Vec<Option<Time>>,
    email_required: Vec<bool>,
}

impl Sides {
    fn push(&mut self, side: &Side) {
        self.sends.push(times_to_bytes(&side.sends));
        self.barred.push(side.barred);
        self.struck_at.push(optional_time(side.struck_at));
        self.email_required.push(side.email_required);
    }
}

impl Pairs {
    pub(super) fn push(&mut self, stepped: &Stepped<Pair>) {
        let Stepped { row: pair, steps } = stepped;
        self.lo.push(pair.key.lo);
        self.hi.push(pair.key.hi);
        self.version.push(pair.version);
        self.steps.push(*steps);
        self.connected_at.push(optional_time(pair.connected_at));
        self.open_id.push(pair.open.map(|open| open.id));
        self.open_from_lo
            .push(pair.open.map(|open| open.inviter_id == pair.key.lo));
        self.open_until.push(pair.open.map(|open| time(open.until)));
        self.lo_side.push(&pair.lo);
        self.hi_side.push(&pair.hi);
    }

    /// `p`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "p AS (INSERT INTO pair (lo, hi, version, connected_at, open_id, open_from_lo, open_until, lo_sends, \
             lo_barred, lo_struck_at, lo_email_required, hi_sends, hi_barred, hi_struck_at, hi_email_required) \
             SELECT w.lo, w.hi, w.version + w.steps, w.connected_at, w.open_id, w.open_from_lo, w.open_until, \
             w.lo_sends, w.lo_barred, w.lo_struck_at, w.lo_email_required, w.hi_sends, w.hi_barred, w.hi_struck_at, \
             w.hi_email_required FROM ",
        );
        self.rows(out.reborrow())?;
        out.push_sql(" RETURNING 1)");
        Ok(())
    }

    /// `pu`: replaced rows.
    pub(super) fn update<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "pu AS (UPDATE pair SET version = w.version + w.steps, connected_at = w.connected_at, \
             open_id = w.open_id, open_from_lo = w.open_from_lo, open_until = w.open_until, lo_sends = w.lo_sends, \
             lo_barred = w.lo_barred, lo_struck_at = w.lo_struck_at, lo_email_required = w.lo_email_required, \
             hi_sends = w.hi_sends, hi_barred = w.hi_barred, hi_struck_at = w.hi_struck_at, \
             hi_email_required = w.hi_email_required FROM ",
        );
        self.rows(out.reborrow())?;
        out.push_sql(" WHERE pair.lo = w.lo AND pair.hi = w.hi AND pair.version = w.version RETURNING 1)");
        Ok(())
    }

    fn rows<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let (one, other) = (&self.lo_side, &self.hi_side);
        rows!(out, lo: SqlUuid => &self.lo, hi: SqlUuid => &self.hi, version: BigInt => &self.version,
            steps: BigInt => &self.steps, connected_at: Nullable<Timestamptz> => &self.connected_at,
            open_id: Nullable<SqlUuid> => &self.open_id, open_from_lo: Nullable<Bool> => &self.open_from_lo,
            open_until: Nullable<Timestamptz> => &self.open_until, lo_sends: Binary => &one.sends,
            lo_barred: Bool => &one.barred, lo_struck_at: Nullable<Timestamptz> => &one.struck_at,
            lo_email_required: Bool => &one.email_required, hi_sends: Binary => &other.sends,
            hi_barred: Bool => &other.barred, hi_struck_at: Nullable<Timestamptz> => &other.struck_at,
            hi_email_required: Bool => &other.email_required);
        Ok(())
    }
}
