//! The inviters' books.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::rows;
use crate::{
    domain::invitation::Sent,
    store::codec::{Time, lifecycle_code, optional_time, time},
};

#[derive(Default)]
pub(super) struct SentRows<'a> {
    inviter_id: Vec<Uuid>,
    id: Vec<Uuid>,
    recipient_id: Vec<Uuid>,
    note: Vec<&'a str>,
    lifecycle: Vec<i16>,
    sent_at: Vec<Time>,
    expires_at: Vec<Time>,
    closed_at: Vec<Option<Time>>,
}

impl<'a> SentRows<'a> {
    pub(super) fn push(&mut self, sent: &'a Sent) {
        self.inviter_id.push(sent.inviter_id);
        self.id.push(sent.id);
        self.recipient_id.push(sent.recipient_id);
        self.note.push(&sent.note);
        self.lifecycle.push(lifecycle_code(sent.lifecycle));
        self.sent_at.push(time(sent.sent_at));
        self.expires_at.push(time(sent.expires_at));
        self.closed_at.push(optional_time(sent.closed_at));
    }

    /// `s`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "s AS (INSERT INTO sent (inviter_id, id, recipient_id, note, lifecycle, sent_at, expires_at, closed_at) \
             SELECT w.* FROM ",
        );
        self.rows(out.reborrow())?;
        out.push_sql(" RETURNING 1)");
        Ok(())
    }

    /// `su`: replaced rows.
    pub(super) fn update<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "su AS (UPDATE sent SET note = w.note, lifecycle = w.lifecycle, sent_at = w.sent_at, \
             expires_at = w.expires_at, closed_at = w.closed_at FROM ",
        );
        self.rows(out.reborrow())?;
        out.push_sql(" WHERE sent.inviter_id = w.inviter_id AND sent.id = w.id RETURNING 1)");
        Ok(())
    }

    fn rows<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        rows!(out, inviter_id: SqlUuid => &self.inviter_id, id: SqlUuid => &self.id,
            recipient_id: SqlUuid => &self.recipient_id, note: Text => &self.note,
            lifecycle: SmallInt => &self.lifecycle, sent_at: Timestamptz => &self.sent_at,
            expires_at: Timestamptz => &self.expires_at, closed_at: Nullable<Timestamptz> => &self.closed_at);
        Ok(())
    }
}
