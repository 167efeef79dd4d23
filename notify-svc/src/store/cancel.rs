//! What a raised fence does to emails that are open, and how an invitation's emails stand.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{emails::state, statement::statement};
use crate::domain::{
    command::{Cancel, Counts},
    email::State,
};

statement! {
    /// An email whose body began is left alone. One that is in doubt from an attempt before cannot be called
    /// cancelled: it becomes uncertain.
    struct Stop {
        invitation_ids: Vec<Uuid> as Array<SqlUuid>,
        sequences: Vec<i64> as Array<BigInt>,
        now: jiff_diesel::Timestamp as Timestamptz,
    } -> SmallInt =
    "WITH fenced AS MATERIALIZED (SELECT due.email_id FROM unnest(" invitation_ids ", " sequences
    ") AS wanted (invitation_id, sequence) JOIN due USING (invitation_id) \
       WHERE due.sequence < wanted.sequence AND due.phase < 2 ORDER BY due.email_id FOR UPDATE OF due), \
     gone AS (DELETE FROM due USING fenced WHERE due.email_id = fenced.email_id \
       RETURNING due.email_id, CASE WHEN due.doubted THEN 6 ELSE 3 END AS state) \
     UPDATE email SET state = gone.state, final_at = " now
    " FROM gone WHERE email.id = gone.email_id RETURNING email.state"
}

statement! {
    struct Count {
        places: Vec<i64> as Array<BigInt>,
        invitation_ids: Vec<Uuid> as Array<SqlUuid>,
        sequences: Vec<i64> as Array<BigInt>,
    } -> (BigInt, SmallInt, BigInt) =
    "SELECT wanted.place, email.state, count(*) FROM unnest(" places ", " invitation_ids ", " sequences
    ") AS wanted (place, invitation_id, sequence) JOIN email USING (invitation_id) \
     WHERE email.sequence < wanted.sequence GROUP BY 1, 2"
}

/// Closes what is open below the fences and has not begun its body. Answers the outcomes.
pub(super) fn stop(
    connection: &mut PgConnection,
    fences: impl Iterator<Item = (Uuid, i64)>,
    now: Timestamp,
) -> QueryResult<Vec<State>> {
    let (invitation_ids, sequences) = fences.unzip();
    let now = now.to_diesel();
    let codes: Vec<i16> = Stop {
        invitation_ids,
        sequences,
        now,
    }
    .load(connection)?;
    codes.into_iter().map(state).collect()
}

/// Counts for each cancel the emails below its sequence.
pub(super) fn count(connection: &mut PgConnection, cancels: &[Cancel]) -> QueryResult<Vec<Counts>> {
    let rows: Vec<(i64, i16, i64)> = Count {
        places: (0..).take(cancels.len()).collect(),
        invitation_ids: cancels.iter().map(|cancel| cancel.invitation_id).collect(),
        sequences: cancels.iter().map(|cancel| cancel.sequence).collect(),
    }
    .load(connection)?;
    let mut counts = vec![Counts::default(); cancels.len()];
    for (place, code, count) in rows {
        let counts = &mut counts[usize::try_from(place).expect("we numbered them from 0")];
        match state(code)? {
            State::Cancelled => counts.cancelled += count,
            State::Sent => counts.sent += count,
            State::Open | State::Uncertain => counts.in_flight += count,
            State::Expired | State::Dead => {}
        }
    }
    Ok(counts)
}
