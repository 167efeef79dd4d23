//! Table `fence`: up to where an invitation's emails are stopped.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::statement::statement;
use crate::domain::fence::{Fences, Scope};

statement! {
    /// In the order of ids, so that two calls never wait for each other.
    struct Raise {
        invitation_ids: Vec<Uuid> as Array<SqlUuid>,
        all: Vec<i64> as Array<BigInt>,
        invitation: Vec<i64> as Array<BigInt>,
        reminders: Vec<i64> as Array<BigInt>,
    } -> (SqlUuid, BigInt, BigInt, BigInt) =
    "INSERT INTO fence (invitation_id, sequence, invitation_sequence, reminders_sequence) \
     SELECT * FROM unnest(" invitation_ids ", " all ", " invitation ", " reminders
    ") AS wanted (invitation_id, sequence, invitation_sequence, reminders_sequence) ORDER BY invitation_id \
     ON CONFLICT (invitation_id) DO UPDATE SET sequence = greatest(fence.sequence, excluded.sequence), \
       invitation_sequence = greatest(fence.invitation_sequence, excluded.invitation_sequence), \
       reminders_sequence = greatest(fence.reminders_sequence, excluded.reminders_sequence) \
     RETURNING invitation_id, sequence, invitation_sequence, reminders_sequence"
}

/// Raises each invitation's fences to at least the given ones, and locks its row until the transaction's end. Answers
/// where they are.
pub(super) fn raise(
    connection: &mut PgConnection,
    wanted: &BTreeMap<Uuid, Fences>,
) -> QueryResult<HashMap<Uuid, Fences>> {
    let rows: Vec<(Uuid, i64, i64, i64)> = Raise {
        invitation_ids: wanted.keys().copied().collect(),
        all: wanted.values().map(|fences| fences.all).collect(),
        invitation: wanted.values().map(|fences| fences.invitation).collect(),
        reminders: wanted.values().map(|fences| fences.reminders).collect(),
    }
    .load(connection)?;
    let raised = rows.into_iter().map(|(id, all, invitation, reminders)| {
        let fences = Fences {
            all,
            invitation,
            reminders,
        };
        (id, fences)
    });
    Ok(raised.collect())
}

/// The kinds that a scope covers, as columns hold them: statements that judge fences by themselves are told the rule.
pub(super) fn kind_codes(scope: Scope) -> Vec<i16> {
    scope.kinds().map(|kind| kind as i16).collect()
}
