//! Entries of the audit log.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, SmallInt, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::rows;
use crate::{domain::transition::AuditEntry, store::codec::action_code};

#[derive(Default)]
pub(super) struct Audits<'a> {
    member_id: Vec<Uuid>,
    id: Vec<Uuid>,
    actor: Vec<&'a str>,
    action: Vec<i16>,
    detail: Vec<&'a str>,
    note: Vec<&'a str>,
}

impl<'a> Audits<'a> {
    pub(super) fn push(&mut self, entry: &'a AuditEntry) {
        self.member_id.push(entry.member_id);
        self.id.push(entry.id);
        self.actor.push(&entry.actor);
        self.action.push(action_code(entry.action));
        self.detail.push(&entry.detail);
        self.note.push(&entry.note);
    }

    /// `t`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("t AS (INSERT INTO audit (member_id, id, actor, action, detail, note) SELECT w.* FROM ");
        rows!(out, member_id: SqlUuid => &self.member_id, id: SqlUuid => &self.id, actor: Text => &self.actor,
            action: SmallInt => &self.action, detail: Text => &self.detail, note: Text => &self.note);
        out.push_sql(" RETURNING 1)");
        Ok(())
    }
}
