//! Connections: two rows each.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::rows;
use crate::{
    domain::transition::{Connected, Disconnected},
    store::codec::{Time, time},
};

#[derive(Default)]
pub(super) struct Connections {
    member_id: Vec<Uuid>,
    other_id: Vec<Uuid>,
    connected_at: Vec<Time>,
}

impl Connections {
    pub(super) fn push(&mut self, connected: &Connected) {
        self.push_ends(connected.inviter_id, connected.recipient_id);
        self.connected_at.extend([time(connected.at); 2]);
    }

    pub(super) fn push_end(&mut self, disconnected: &Disconnected) {
        self.push_ends(disconnected.member_id, disconnected.other_id);
    }

    fn push_ends(&mut self, one: Uuid, other: Uuid) {
        for (member_id, other_id) in [(one, other), (other, one)] {
            self.member_id.push(member_id);
            self.other_id.push(other_id);
        }
    }

    /// `c`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("c AS (INSERT INTO connection (member_id, other_id, connected_at) SELECT w.* FROM ");
        rows!(out, member_id: SqlUuid => &self.member_id, other_id: SqlUuid => &self.other_id,
            connected_at: Timestamptz => &self.connected_at);
        out.push_sql(" RETURNING 1)");
        Ok(())
    }

    /// `cd`: deleted rows.
    pub(super) fn delete<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("cd AS (DELETE FROM connection USING ");
        rows!(out, member_id: SqlUuid => &self.member_id, other_id: SqlUuid => &self.other_id);
        out.push_sql(
            " WHERE connection.member_id = w.member_id AND connection.other_id = w.other_id RETURNING 1)",
        );
        Ok(())
    }
}
