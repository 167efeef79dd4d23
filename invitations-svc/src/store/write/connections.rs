//! Connections: two rows each.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::columns;
use crate::{
    domain::transition::Connected,
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
        let ends = [
            (connected.inviter_id, connected.recipient_id),
            (connected.recipient_id, connected.inviter_id),
        ];
        for (member_id, other_id) in ends {
            self.member_id.push(member_id);
            self.other_id.push(other_id);
            self.connected_at.push(time(connected.at));
        }
    }

    /// `c`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "c AS (INSERT INTO connection (member_id, other_id, connected_at) SELECT * FROM unnest(",
        );
        columns!(out, SqlUuid => &self.member_id, SqlUuid => &self.other_id, Timestamptz => &self.connected_at);
        out.push_sql(") RETURNING 1)");
        Ok(())
    }
}
