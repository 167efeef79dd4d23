//! Keeping the hot table small while some transaction elsewhere stays open.
//!
//! Vacuum may not remove a row version that an open transaction might still see, and the hot table makes several for
//! each email. So once most of the table is such versions, its live rows are moved to fresh files.

use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl, connection::SimpleConnection, sql_query,
    sql_types::BigInt,
};

/// From this size on the table is worth a look, in bytes.
const LARGE: i64 = 8 * 1_024 * 1_024;
/// Room that a live row may take, in bytes: its versions on their way, and what the fill factor leaves.
const ROOM: i64 = 1_024;

#[derive(diesel::QueryableByName)]
struct Size {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// Moves the live rows of `due` to fresh files where it is large and most of it is dead. Answers whether it did. Waits for
/// others only a moment: who holds a lock on the table for longer, such as a backup, comes first.
///
/// An open transaction that looks into `due` for the first time afterwards finds it empty. Of ours only a list of emails may:
/// it then shows open emails as neither claimed nor due.
pub(crate) fn compact(connection: &mut PgConnection) -> QueryResult<bool> {
    if !is_worth_it(connection)? {
        return Ok(false);
    }
    connection.transaction(|connection| {
        connection.batch_execute("SET LOCAL lock_timeout = 200; LOCK TABLE due IN ACCESS EXCLUSIVE MODE")?;
        if !is_worth_it(connection)? {
            return Ok(false);
        }
        connection.batch_execute(
            "CREATE TEMPORARY TABLE live ON COMMIT DROP AS SELECT * FROM due; TRUNCATE due; \
             INSERT INTO due SELECT * FROM live",
        )?;
        Ok(true)
    })
}

fn is_worth_it(connection: &mut PgConnection) -> QueryResult<bool> {
    let bytes = "SELECT pg_relation_size('due') AS bytes, 0::bigint AS rows";
    if sql_query(bytes).get_result::<Size>(connection)?.bytes < LARGE {
        return Ok(false);
    }
    let both = "SELECT pg_relation_size('due') AS bytes, count(*) AS rows FROM due";
    let size: Size = sql_query(both).get_result(connection)?;
    Ok(size.bytes >= LARGE && size.bytes / ROOM > size.rows)
}
