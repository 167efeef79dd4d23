//! Table `fence`: up to where an invitation's emails are stopped.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::statement::statement;

statement! {
    /// In the order of ids, so that two calls never wait for each other.
    struct Raise {
        invitation_ids: Vec<Uuid> as Array<SqlUuid>,
        sequences: Vec<i64> as Array<BigInt>,
    } -> (SqlUuid, BigInt) =
    "INSERT INTO fence (invitation_id, sequence) SELECT * FROM unnest(" invitation_ids ", " sequences
    ") AS wanted (invitation_id, sequence) ORDER BY invitation_id ON CONFLICT (invitation_id) DO UPDATE \
     SET sequence = greatest(fence.sequence, excluded.sequence) RETURNING invitation_id, sequence"
}

/// Raises each fence to at least the given sequence, and locks it until the transaction's end. Answers where they are.
pub(super) fn raise(
    connection: &mut PgConnection,
    sequences: &BTreeMap<Uuid, i64>,
) -> QueryResult<HashMap<Uuid, i64>> {
    let rows: Vec<(Uuid, i64)> = Raise {
        invitation_ids: sequences.keys().copied().collect(),
        sequences: sequences.values().copied().collect(),
    }
    .load(connection)?;
    Ok(rows.into_iter().collect())
}
