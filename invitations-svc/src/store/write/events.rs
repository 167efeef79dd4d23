//! Transitions on their way to notify-svc.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::columns;
use crate::{
    domain::transition::Event,
    store::{
        codec::{Time, event_code, time},
        outbox::lane,
    },
};

#[derive(Default)]
pub(super) struct Events<'a> {
    lane: Vec<i16>,
    invitation_id: Vec<Uuid>,
    sequence: Vec<i64>,
    event: Vec<i16>,
    inviter_id: Vec<Uuid>,
    recipient_id: Vec<Uuid>,
    note: Vec<&'a str>,
    happened_at: Vec<Time>,
}

impl<'a> Events<'a> {
    pub(super) fn push(&mut self, event: &'a Event) {
        self.lane.push(lane(event.invitation_id));
        self.invitation_id.push(event.invitation_id);
        self.sequence.push(event.sequence);
        self.event.push(event_code(event.kind));
        self.inviter_id.push(event.inviter_id);
        self.recipient_id.push(event.recipient_id);
        self.note.push(&event.note);
        self.happened_at.push(time(event.happened_at));
    }

    /// `o`: new rows, due at once.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "o AS (INSERT INTO outbox (lane, invitation_id, sequence, event, inviter_id, recipient_id, note, \
             happened_at, due_at) SELECT w.*, w.happened_at FROM unnest(",
        );
        columns!(out, SmallInt => &self.lane, SqlUuid => &self.invitation_id, BigInt => &self.sequence,
            SmallInt => &self.event, SqlUuid => &self.inviter_id, SqlUuid => &self.recipient_id,
            Text => &self.note, Timestamptz => &self.happened_at);
        out.push_sql(
            ") AS w(lane, invitation_id, sequence, event, inviter_id, recipient_id, note, happened_at) RETURNING 1)",
        );
        Ok(())
    }
}
