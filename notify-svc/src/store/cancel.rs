//! What raised fences do to emails that are open, and how an invitation's emails stand.

use std::collections::BTreeMap;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{
    emails::{kind, state},
    statement::statement,
};
use crate::domain::{
    command::{Cancel, Counts},
    email::{Outcome, State},
    fence::Fences,
    kind::Kind,
};

statement! {
    /// An email whose body began is left alone. One that is in doubt from an attempt before cannot be called
    /// cancelled: it becomes uncertain.
    struct Stop {
        invitation_ids: Vec<Uuid> as Array<SqlUuid>,
        kinds: Vec<i16> as Array<SmallInt>,
        sequences: Vec<i64> as Array<BigInt>,
        now: jiff_diesel::Timestamp as Timestamptz,
    } -> (SmallInt, SmallInt) =
    "WITH fenced AS MATERIALIZED (SELECT due.email_id FROM unnest(" invitation_ids ", " kinds ", " sequences
    ") AS wanted (invitation_id, kind, sequence) JOIN email USING (invitation_id, kind) \
       JOIN due ON due.email_id = email.id WHERE email.sequence < wanted.sequence AND due.phase < 2 ORDER BY due.email_id FOR UPDATE OF due), \
     gone AS (DELETE FROM due USING fenced WHERE due.email_id = fenced.email_id \
       RETURNING due.email_id, due.kind, due.lease_epoch, CASE WHEN due.doubted THEN 6 ELSE 3 END AS state), \
     listed AS (INSERT INTO unsent (state, email_id, kind) SELECT state, email_id, kind FROM gone \
       ON CONFLICT DO NOTHING) \
     UPDATE email SET state = gone.state, claims = gone.lease_epoch, final_at = " now
    " FROM gone WHERE email.id = gone.email_id RETURNING email.kind, email.state"
}

statement! {
    struct Count {
        places: Vec<i64> as Array<BigInt>,
        invitation_ids: Vec<Uuid> as Array<SqlUuid>,
        kinds: Vec<i16> as Array<SmallInt>,
        sequences: Vec<i64> as Array<BigInt>,
    } -> (BigInt, SmallInt, BigInt) =
    "SELECT wanted.place, email.state, count(*) FROM unnest(" places ", " invitation_ids ", " kinds ", "
    sequences
    ") AS wanted (place, invitation_id, kind, sequence) JOIN email USING (invitation_id, kind) \
     WHERE email.sequence < wanted.sequence GROUP BY 1, 2"
}

/// Closes what is open below the fences and has not begun its body. Answers the outcomes.
pub(super) fn stop(
    connection: &mut PgConnection,
    fences: &BTreeMap<Uuid, Fences>,
    now: Timestamp,
) -> QueryResult<Vec<Outcome>> {
    let limits = || {
        let of = |(id, fences): (&Uuid, &Fences)| {
            let (id, fences) = (*id, *fences);
            Kind::ALL.map(|kind| (id, kind, fences.limit(kind)))
        };
        fences.iter().flat_map(of)
    };
    let closed: Vec<(i16, i16)> = Stop {
        invitation_ids: limits().map(|(id, ..)| id).collect(),
        kinds: limits().map(|(_, kind, _)| kind as i16).collect(),
        sequences: limits().map(|(.., sequence)| sequence).collect(),
        now: now.to_diesel(),
    }
    .load(connection)?;
    let outcome = |(of, code)| {
        Ok(Outcome {
            kind: kind(of)?,
            state: state(code)?,
        })
    };
    closed.into_iter().map(outcome).collect()
}

/// Counts for each cancel the emails of its scope below its sequence.
pub(super) fn count(connection: &mut PgConnection, cancels: &[Cancel]) -> QueryResult<Vec<Counts>> {
    let wanted = || {
        let of = |(place, cancel): (i64, &Cancel)| {
            let cancel = *cancel;
            cancel.scope.kinds().map(move |kind| (place, kind, cancel))
        };
        (0..).zip(cancels).flat_map(of)
    };
    let rows: Vec<(i64, i16, i64)> = Count {
        places: wanted().map(|(place, ..)| place).collect(),
        invitation_ids: wanted().map(|(.., cancel)| cancel.invitation_id).collect(),
        kinds: wanted().map(|(_, kind, _)| kind as i16).collect(),
        sequences: wanted().map(|(.., cancel)| cancel.sequence).collect(),
    }
    .load(connection)?;
    let mut counts = vec![Counts::default(); cancels.len()];
    for (place, code, count) in rows {
        let counts = &mut counts[usize::try_from(place).expect("we numbered them from 0")];
        match state(code)? {
            State::Cancelled => counts.cancelled += count,
            State::Sent => counts.sent += count,
            State::Open | State::Uncertain => counts.in_flight += count,
            State::Expired | State::Dead | State::PreferenceOff | State::Suppressed => {}
        }
    }
    Ok(counts)
}
