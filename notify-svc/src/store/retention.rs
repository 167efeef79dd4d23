//! What is kept no longer, in bounded sets. Emails and their keys stay for ever, so that a key answers the same email.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{BigInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::statement::statement;

/// Erases some rows of before a time, a few hundred at most. Answers how many.
pub(crate) type Erase = fn(&mut PgConnection, Timestamp) -> QueryResult<i64>;

statement! {
    /// Goes on from where the last one ended, up to the oldest email that is open; that is waited for. Only one process
    /// does so at a time, the others find nothing. The rows are locked first and judged then: an email that an operator
    /// opens again in this moment has its row in `due` too late to be seen there. The limit is a literal, so that every
    /// plan knows how few rows it is about, and looks the others up one by one.
    struct Letters { before: Uuid as SqlUuid } -> BigInt =
    "WITH place AS MATERIALIZED (SELECT passed FROM retention FOR UPDATE SKIP LOCKED), \
     next AS MATERIALIZED (SELECT id, final_at FROM email WHERE id > (SELECT passed FROM place) \
       AND id < least(" before ", (SELECT email_id FROM due ORDER BY email_id LIMIT 1)) \
       ORDER BY id LIMIT 500 FOR UPDATE), \
     open AS MATERIALIZED (SELECT id FROM next WHERE final_at IS NULL ORDER BY id LIMIT 1), \
     old AS MATERIALIZED (SELECT id FROM next WHERE NOT EXISTS (SELECT FROM open WHERE open.id <= next.id)), \
     attempts AS (DELETE FROM attempt USING old WHERE attempt.email_id = old.id), \
     bounces AS (DELETE FROM bounce USING old WHERE bounce.email_id = old.id), \
     erased AS (UPDATE email SET letter = NULL, address_hash = '' FROM old WHERE email.id = old.id AND letter IS NOT NULL), \
     moved AS (UPDATE retention SET passed = last.id FROM (SELECT id FROM old ORDER BY id DESC LIMIT 1) AS last) \
     SELECT count(*) FROM old"
}

statement! {
    struct Acts { before: jiff_diesel::Timestamp as Timestamptz } -> BigInt =
    "WITH old AS MATERIALIZED (SELECT client, request_id FROM act WHERE at < " before
    " ORDER BY at LIMIT 500 FOR UPDATE SKIP LOCKED), \
     gone AS (DELETE FROM act USING old WHERE act.client = old.client AND act.request_id = old.request_id RETURNING 1) \
     SELECT count(*) FROM gone"
}

/// Erases what closed emails that were queued before then said, and what mail servers said of them.
pub(crate) fn erase_letters(connection: &mut PgConnection, before: Timestamp) -> QueryResult<i64> {
    let before = first_id(before);
    Letters { before }.get_result(connection)
}

/// Erases who did what.
pub(crate) fn erase_acts(connection: &mut PgConnection, before: Timestamp) -> QueryResult<i64> {
    let before = before.to_diesel();
    Acts { before }.get_result(connection)
}

/// No UUIDv7 of this millisecond or a later one is below it, and all earlier ones are.
fn first_id(at: Timestamp) -> Uuid {
    let milliseconds = u128::try_from(at.as_millisecond()).unwrap_or_default();
    Uuid::from_u128(milliseconds << 80)
}

#[cfg(test)]
mod tests {
    use uuid::NoContext;

    use super::*;

    #[test]
    fn ids_are_told_apart_by_their_millisecond() {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).expect("a time");
        let queued = |milliseconds: u64| {
            let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
            let rest = u32::try_from(rest).expect("below 1000") * 1_000_000;
            Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, rest))
        };
        for now in [1_u64, 1_795_000_000_123, 4_102_444_800_000] {
            let first = first_id(at(i64::try_from(now).expect("small")));
            assert!(queued(now - 1) < first && first < queued(now), "{now}");
        }
        assert_eq!(first_id(at(-1)), Uuid::nil(), "nobody was here before 1970");
    }
}
