//! Replies.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::rows;
use crate::{
    domain::transition::Reply,
    store::codec::{Time, small, time},
};

#[derive(Default)]
pub(super) struct Replies<'a> {
    inviter_id: Vec<Uuid>,
    invitation_id: Vec<Uuid>,
    number: Vec<i16>,
    text: Vec<&'a str>,
    replied_at: Vec<Time>,
}

impl<'a> Replies<'a> {
    pub(super) fn push(&mut self, reply: &'a Reply) {
        self.inviter_id.push(reply.inviter_id);
        self.invitation_id.push(reply.invitation_id);
        self.number.push(small(reply.number));
        self.text.push(&reply.text);
        self.replied_at.push(time(reply.at));
    }

    /// `y`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "y AS (INSERT INTO reply (inviter_id, invitation_id, number, text, replied_at) SELECT w.* FROM ",
        );
        rows!(out, inviter_id: SqlUuid => &self.inviter_id, invitation_id: SqlUuid => &self.invitation_id,
            number: SmallInt => &self.number, text: Text => &self.text, replied_at: Timestamptz => &self.replied_at);
        out.push_sql(" RETURNING 1)");
        Ok(())
    }
}
