//! Reading the audit log.

use diesel::{BoolExpressionMethods, ExpressionMethods, PgConnection, QueryDsl, QueryResult, RunQueryDsl};
use uuid::Uuid;

use super::{codec::action, schema::audit};
use crate::domain::transition::AuditEntry;

/// Up to `limit` entries of a member's account, newest first, those before `before` only.
pub fn page(
    db: &mut PgConnection,
    member_id: Uuid,
    before: Uuid,
    limit: i64,
) -> QueryResult<Vec<AuditEntry>> {
    type Row = (Uuid, Uuid, String, i16, String, String);
    let rows: Vec<Row> = audit::table
        .filter(audit::member_id.eq(member_id).and(audit::id.lt(before)))
        .order(audit::id.desc())
        .limit(limit)
        .load(db)?;
    let read = |(member_id, id, actor, code, detail, note): Row| {
        Ok(AuditEntry {
            member_id,
            id,
            actor: actor.into(),
            action: action(code)?,
            detail,
            note,
        })
    };
    rows.into_iter().map(read).collect()
}
