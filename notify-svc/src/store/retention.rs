//! What is kept no longer, in bounded sets. Emails and their keys stay for ever, so that a key answers the same email.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{BigInt, Timestamptz},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;

use super::statement::statement;

/// Erases some rows of before a time, a few hundred at most. Answers how many.
pub(crate) type Erase = fn(&mut PgConnection, Timestamp) -> QueryResult<i64>;

statement! {
    /// An email that somebody else works on is left for the next look: an operator may be opening it again. The limit is
    /// a literal, so that every plan knows how few rows it is about, and looks the others up one by one.
    struct Letters { before: jiff_diesel::Timestamp as Timestamptz } -> BigInt =
    "WITH old AS MATERIALIZED (SELECT id FROM email WHERE letter IS NOT NULL AND final_at IS NOT NULL AND final_at < "
    before " ORDER BY final_at LIMIT 500 FOR UPDATE SKIP LOCKED), \
     attempts AS (DELETE FROM attempt USING old WHERE attempt.email_id = old.id), \
     bounces AS (DELETE FROM bounce USING old WHERE bounce.email_id = old.id), \
     erased AS (UPDATE email SET letter = NULL FROM old WHERE email.id = old.id RETURNING 1) \
     SELECT count(*) FROM erased"
}

statement! {
    struct Acts { before: jiff_diesel::Timestamp as Timestamptz } -> BigInt =
    "WITH old AS MATERIALIZED (SELECT client, request_id FROM act WHERE at < " before
    " ORDER BY at LIMIT 500 FOR UPDATE SKIP LOCKED), \
     gone AS (DELETE FROM act USING old WHERE act.client = old.client AND act.request_id = old.request_id RETURNING 1) \
     SELECT count(*) FROM gone"
}

/// Erases what closed emails said, and what mail servers said of them.
pub(crate) fn erase_letters(connection: &mut PgConnection, before: Timestamp) -> QueryResult<i64> {
    let before = before.to_diesel();
    Letters { before }.get_result(connection)
}

/// Erases who did what.
pub(crate) fn erase_acts(connection: &mut PgConnection, before: Timestamp) -> QueryResult<i64> {
    let before = before.to_diesel();
    Acts { before }.get_result(connection)
}
