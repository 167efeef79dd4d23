//! Claiming: a worker takes emails that are due, under a lease.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{emails::kind, fences::kind_codes, statement::statement};
use crate::domain::{delivery::Progress, email::Letter, fence::Scope, kind::Kind};

/// An email that this worker holds until its lease runs out.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) email_id: Uuid,
    /// The fencing token of this claim.
    pub(crate) epoch: i32,
    pub(crate) kind: Kind,
    pub(crate) progress: Progress,
    /// Whether a cancel that covers it came since it was queued.
    pub(crate) fenced: bool,
    pub(crate) member_id: Uuid,
    pub(crate) event_time: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) message_id: String,
    /// None where the row's text is not a letter: such a row must not stop the others.
    pub(crate) letter: Option<Letter>,
}

type Columns = (
    SqlUuid,
    Integer,
    SmallInt,
    SmallInt,
    Bool,
    Bool,
    SqlUuid,
    Timestamptz,
    Timestamptz,
    Text,
    Nullable<Text>,
);

statement! {
    /// The CTE is materialized: otherwise the planner may run it again for each row and claim more than `places`.
    struct Claim {
        now: jiff_diesel::Timestamp as Timestamptz,
        places: i64 as BigInt,
        worker: Uuid as SqlUuid,
        lease_until: jiff_diesel::Timestamp as Timestamptz,
        all_kinds: Vec<i16> as Array<SmallInt>,
        invitation_kinds: Vec<i16> as Array<SmallInt>,
        reminder_kinds: Vec<i16> as Array<SmallInt>,
    } -> Columns =
    "WITH ready AS MATERIALIZED (SELECT email_id FROM due WHERE lease_until IS NULL AND run_at <= " now
    " ORDER BY run_at LIMIT " places " FOR UPDATE SKIP LOCKED), \
     taken AS (UPDATE due SET phase = 1, lease_epoch = lease_epoch + 1, leased_by = " worker ", lease_until = "
    lease_until
    " FROM ready WHERE due.email_id = ready.email_id RETURNING due.*) \
     SELECT email.id, taken.lease_epoch, taken.kind, taken.failures, taken.doubted, \
       EXISTS (SELECT FROM fence WHERE fence.invitation_id = taken.invitation_id AND ( \
         fence.sequence > taken.sequence AND taken.kind = ANY(" all_kinds ") \
         OR fence.invitation_sequence > taken.sequence AND taken.kind = ANY(" invitation_kinds ") \
         OR fence.reminders_sequence > taken.sequence AND taken.kind = ANY(" reminder_kinds "))), \
       email.member_id, email.event_time, email.created_at, email.message_id, email.letter::text \
     FROM taken JOIN email ON email.id = taken.email_id ORDER BY taken.run_at"
}

/// Claims up to `places` emails that are due.
pub(crate) fn claim(
    connection: &mut PgConnection,
    places: usize,
    worker: Uuid,
    now: Timestamp,
    lease_until: Timestamp,
) -> QueryResult<Vec<Claimed>> {
    type Time = jiff_diesel::Timestamp;
    type Row = (
        Uuid,
        i32,
        i16,
        i16,
        bool,
        bool,
        Uuid,
        Time,
        Time,
        String,
        Option<String>,
    );
    let rows: Vec<Row> = Claim {
        now: now.to_diesel(),
        places: i64::try_from(places).unwrap_or(i64::MAX),
        worker,
        lease_until: lease_until.to_diesel(),
        all_kinds: kind_codes(Scope::All),
        invitation_kinds: kind_codes(Scope::Invitation),
        reminder_kinds: kind_codes(Scope::Reminders),
    }
    .load(connection)?;
    let claimed = |row: Row| {
        Ok(Claimed {
            email_id: row.0,
            epoch: row.1,
            kind: kind(row.2)?,
            progress: Progress {
                failures: row.3,
                doubted: row.4,
            },
            fenced: row.5,
            member_id: row.6,
            event_time: row.7.into(),
            created_at: row.8.into(),
            message_id: row.9,
            letter: row.10.and_then(|letter| serde_json::from_str(&letter).ok()),
        })
    };
    rows.into_iter().map(claimed).collect()
}
