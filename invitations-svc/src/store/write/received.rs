//! The recipients' books.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::rows;
use crate::{
    domain::invitation::Received,
    store::codec::{Time, folder_code, lifecycle_code, optional_time, small, time},
};

#[derive(Default)]
pub(super) struct ReceivedRows<'a> {
    recipient_id: Vec<Uuid>,
    id: Vec<Uuid>,
    inviter_id: Vec<Uuid>,
    note: Vec<&'a str>,
    lifecycle: Vec<i16>,
    folder: Vec<i16>,
    sequence: Vec<i64>,
    sent_at: Vec<Time>,
    expires_at: Vec<Time>,
    closed_at: Vec<Option<Time>>,
    emailed_at: Vec<Time>,
    reminders: Vec<bool>,
    reminders_left: Vec<i16>,
    replies: Vec<i16>,
    due_at: Vec<Option<Time>>,
}

impl<'a> ReceivedRows<'a> {
    pub(super) fn push(&mut self, received: &'a Received) {
        self.recipient_id.push(received.recipient_id);
        self.id.push(received.id);
        self.inviter_id.push(received.inviter_id);
        self.note.push(&received.note);
        self.lifecycle.push(lifecycle_code(received.lifecycle));
        self.folder.push(folder_code(received.folder));
        self.sequence.push(received.sequence);
        self.sent_at.push(time(received.sent_at));
        self.expires_at.push(time(received.expires_at));
        self.closed_at.push(optional_time(received.closed_at));
        self.emailed_at.push(time(received.emailed_at));
        self.reminders.push(received.reminders);
        self.reminders_left.push(small(received.reminders_left));
        self.replies.push(small(received.replies));
        self.due_at.push(optional_time(received.due_at));
    }

    /// `r`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "r AS (INSERT INTO received (recipient_id, id, inviter_id, note, lifecycle, folder, sequence, sent_at, \
             expires_at, closed_at, emailed_at, reminders, reminders_left, replies, due_at) SELECT w.* FROM ",
        );
        self.rows(out.reborrow())?;
        out.push_sql(" RETURNING 1)");
        Ok(())
    }

    /// `ru`: replaced rows.
    pub(super) fn update<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "ru AS (UPDATE received SET note = w.note, lifecycle = w.lifecycle, folder = w.folder, \
             sequence = w.sequence, sent_at = w.sent_at, expires_at = w.expires_at, closed_at = w.closed_at, \
             emailed_at = w.emailed_at, reminders = w.reminders, reminders_left = w.reminders_left, \
             replies = w.replies, due_at = w.due_at FROM ",
        );
        self.rows(out.reborrow())?;
        out.push_sql(" WHERE received.recipient_id = w.recipient_id AND received.id = w.id RETURNING 1)");
        Ok(())
    }

    fn rows<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        rows!(out, recipient_id: SqlUuid => &self.recipient_id, id: SqlUuid => &self.id,
            inviter_id: SqlUuid => &self.inviter_id, note: Text => &self.note,
            lifecycle: SmallInt => &self.lifecycle, folder: SmallInt => &self.folder,
            sequence: BigInt => &self.sequence, sent_at: Timestamptz => &self.sent_at,
            expires_at: Timestamptz => &self.expires_at, closed_at: Nullable<Timestamptz> => &self.closed_at,
            emailed_at: Timestamptz => &self.emailed_at, reminders: Bool => &self.reminders,
            reminders_left: SmallInt => &self.reminders_left, replies: SmallInt => &self.replies,
            due_at: Nullable<Timestamptz> => &self.due_at);
        Ok(())
    }
}
