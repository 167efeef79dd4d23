//! Transitions on their way to notify-svc and into the feed.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::{Ordered, rows};
use crate::store::{
    codec::{Time, event_code, small, time},
    outbox::lane,
};

#[derive(Default)]
pub(super) struct Events<'a> {
    lane: Vec<i16>,
    invitation_id: Vec<Uuid>,
    sequence: Vec<i64>,
    event: Vec<i16>,
    inviter_id: Vec<Uuid>,
    recipient_id: Vec<Uuid>,
    text: Vec<&'a str>,
    number: Vec<i16>,
    hidden: Vec<bool>,
    pair_version: Vec<i64>,
    happened_at: Vec<Time>,
    due_at: Vec<Option<Time>>,
    unfed: Vec<bool>,
}

impl<'a> Events<'a> {
    pub(super) fn push(&mut self, Ordered { event, pair_version }: &'a Ordered, feeds: bool) {
        let at = time(event.happened_at);
        self.lane.push(lane(event.inviter_id, event.recipient_id));
        self.invitation_id.push(event.invitation_id);
        self.sequence.push(event.sequence);
        self.event.push(event_code(event.kind));
        self.inviter_id.push(event.inviter_id);
        self.recipient_id.push(event.recipient_id);
        // Only emails have texts.
        self.text.push(if event.mails { &event.text } else { "" });
        self.number.push(small(event.number));
        self.hidden.push(event.hidden);
        self.pair_version.push(*pair_version);
        self.happened_at.push(at);
        // Mail is due at once.
        self.due_at.push(event.mails.then_some(at));
        self.unfed.push(feeds && event.kind.is_followed());
    }

    /// `o`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "o AS (INSERT INTO outbox (lane, invitation_id, sequence, event, inviter_id, recipient_id, text, number, \
             hidden, pair_version, happened_at, due_at, unfed) SELECT w.* FROM ",
        );
        rows!(out, lane: SmallInt => &self.lane, invitation_id: SqlUuid => &self.invitation_id,
            sequence: BigInt => &self.sequence, event: SmallInt => &self.event,
            inviter_id: SqlUuid => &self.inviter_id, recipient_id: SqlUuid => &self.recipient_id,
            text: Text => &self.text, number: SmallInt => &self.number, hidden: Bool => &self.hidden,
            pair_version: BigInt => &self.pair_version, happened_at: Timestamptz => &self.happened_at,
            due_at: Nullable<Timestamptz> => &self.due_at, unfed: Bool => &self.unfed);
        out.push_sql(" RETURNING 1)");
        Ok(())
    }
}
