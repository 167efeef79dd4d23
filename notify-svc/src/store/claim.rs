//! Claiming: a worker takes emails under a lease, and learns what it has to know of them.

use std::{collections::HashMap, time::Duration};

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{
    emails::kind,
    fences::kind_codes,
    lease::{Held, milliseconds},
    statement::statement,
};
use crate::domain::{
    delivery::{Case, Progress},
    email::Letter,
    fence::Scope,
    kind::Kind,
    restraint::Lately,
};

/// An email that this worker holds until its lease runs out.
#[derive(Debug)]
pub(crate) struct Claimed {
    /// Its id, and the fencing token of this claim.
    pub(crate) held: Held,
    pub(crate) member_id: Uuid,
    pub(crate) created_at: Timestamp,
    pub(crate) message_id: String,
    /// None where the row's text is not a letter: such a row must not stop the others.
    pub(crate) letter: Option<Letter>,
    pub(crate) case: Case,
}

impl Claimed {
    pub(crate) fn kind(&self) -> Kind {
        self.case.kind
    }
}

statement! {
    /// The CTE is materialized: otherwise the planner may run it again for each row and claim more than `places`. Leases
    /// are told by Postgres' clock, which all processes share.
    struct TakeDue {
        now: jiff_diesel::Timestamp as Timestamptz,
        places: i64 as BigInt,
        worker: Uuid as SqlUuid,
        lease_ms: i64 as BigInt,
    } -> (SqlUuid, Integer) =
    "WITH ready AS MATERIALIZED (SELECT email_id FROM due WHERE lease_until IS NULL AND run_at <= " now
    " ORDER BY run_at LIMIT " places " FOR UPDATE SKIP LOCKED) \
     UPDATE due SET phase = 1, lease_epoch = lease_epoch + 1, leased_by = " worker ", \
     lease_until = statement_timestamp() + " lease_ms " * interval '1 millisecond' \
     FROM ready WHERE due.email_id = ready.email_id RETURNING due.email_id, due.lease_epoch"
}

statement! {
    /// Reminders of one reader, whether due or put off; what failed waits for its own next try.
    struct TakeReminders {
        member_id: Uuid as SqlUuid,
        now: jiff_diesel::Timestamp as Timestamptz,
        places: i64 as BigInt,
        worker: Uuid as SqlUuid,
        lease_ms: i64 as BigInt,
    } -> (SqlUuid, Integer) =
    "WITH ready AS MATERIALIZED (SELECT email_id FROM due WHERE lease_until IS NULL AND kind = 2 AND member_id = "
    member_id " AND (failures + faults = 0 OR run_at <= " now ") \
     ORDER BY email_id LIMIT " places " FOR UPDATE SKIP LOCKED) \
     UPDATE due SET phase = 1, lease_epoch = lease_epoch + 1, leased_by = " worker ", \
     lease_until = statement_timestamp() + " lease_ms " * interval '1 millisecond' \
     FROM ready WHERE due.email_id = ready.email_id RETURNING due.email_id, due.lease_epoch"
}

type Columns = (
    (SqlUuid, Integer, SmallInt, SmallInt, SmallInt, Bool),
    (Bool, Bool, Bool, BigInt),
    (Array<Timestamptz>, Array<Timestamptz>),
    (SqlUuid, Timestamptz, Timestamptz, Text, Nullable<Text>),
);

statement! {
    struct Read {
        ids: Vec<Uuid> as Array<SqlUuid>,
        epochs: Vec<i32> as Array<Integer>,
        all_kinds: Vec<i16> as Array<SmallInt>,
        invitation_kinds: Vec<i16> as Array<SmallInt>,
        reminder_kinds: Vec<i16> as Array<SmallInt>,
    } -> Columns =
    "SELECT due.email_id, due.lease_epoch, due.kind, due.failures, due.faults, due.doubted, \
       EXISTS (SELECT FROM fence WHERE fence.invitation_id = due.invitation_id AND ( \
         fence.sequence > due.sequence AND due.kind = ANY(" all_kinds ") \
         OR fence.invitation_sequence > due.sequence AND due.kind = ANY(" invitation_kinds ") \
         OR fence.reminders_sequence > due.sequence AND due.kind = ANY(" reminder_kinds "))), \
       reader.member_id IS NULL OR NOT reader.contact_restricted AND due.kind <> ALL(reader.off) \
         AND (due.kind <> 2 OR 1 <> ALL(reader.off)), \
       EXISTS (SELECT FROM suppression WHERE suppression.address_hash = email.address_hash), \
       CASE WHEN due.kind = 2 THEN \
         (SELECT count(*) FROM due AS other WHERE other.kind = 2 AND other.member_id = due.member_id AND other.phase < 2) \
         ELSE 0 END, \
       coalesce(reader.sent_at, '{}'), coalesce(reader.reminded_at, '{}'), \
       email.member_id, email.event_time, email.created_at, email.message_id, email.letter::text \
     FROM unnest(" ids ", " epochs ") AS held (email_id, epoch) JOIN due USING (email_id) \
       JOIN email ON email.id = due.email_id LEFT JOIN reader ON reader.member_id = due.member_id \
     WHERE due.lease_epoch = held.epoch"
}

/// Claims up to `places` emails that are due, the longest due ones.
pub(crate) fn claim(
    connection: &mut PgConnection,
    places: usize,
    worker: Uuid,
    now: Timestamp,
    lease: Duration,
) -> QueryResult<Vec<Claimed>> {
    let taken = TakeDue {
        now: now.to_diesel(),
        places: i64::try_from(places).unwrap_or(i64::MAX),
        worker,
        lease_ms: milliseconds(lease),
    };
    let taken = taken.load(connection)?;
    read(connection, taken)
}

/// Claims up to `places` reminders of one reader that nobody holds, but for those that wait after an attempt.
pub(crate) fn claim_reminders(
    connection: &mut PgConnection,
    member_id: Uuid,
    places: usize,
    worker: Uuid,
    now: Timestamp,
    lease: Duration,
) -> QueryResult<Vec<Claimed>> {
    let taken = TakeReminders {
        member_id,
        now: now.to_diesel(),
        places: i64::try_from(places).unwrap_or(i64::MAX),
        worker,
        lease_ms: milliseconds(lease),
    };
    let taken = taken.load(connection)?;
    read(connection, taken)
}

/// What is known of claims, in their order. A claim that is lost meanwhile is left out.
fn read(connection: &mut PgConnection, taken: Vec<(Uuid, i32)>) -> QueryResult<Vec<Claimed>> {
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let order: HashMap<Uuid, usize> = taken.iter().map(|(id, _)| *id).zip(0..).collect();
    let (ids, epochs) = taken.into_iter().unzip();
    let rows: Vec<Row> = Read {
        ids,
        epochs,
        all_kinds: kind_codes(Scope::All),
        invitation_kinds: kind_codes(Scope::Invitation),
        reminder_kinds: kind_codes(Scope::Reminders),
    }
    .load(connection)?;
    let mut claimed = rows.into_iter().map(claimed).collect::<QueryResult<Vec<_>>>()?;
    claimed.sort_unstable_by_key(|claimed| order[&claimed.held.email_id]);
    Ok(claimed)
}

type Time = jiff_diesel::Timestamp;
type Row = (
    (Uuid, i32, i16, i16, i16, bool),
    (bool, bool, bool, i64),
    (Vec<Time>, Vec<Time>),
    (Uuid, Time, Time, String, Option<String>),
);

fn claimed(row: Row) -> QueryResult<Claimed> {
    let (
        (email_id, epoch, code, failures, faults, doubted),
        (fenced, wanted, suppressed, waiting),
        (sent, reminded),
        (member_id, event_time, created_at, message_id, letter),
    ) = row;
    let letter: Option<Letter> = letter.and_then(|letter| serde_json::from_str(&letter).ok());
    let times = |times: Vec<Time>| times.into_iter().map(Timestamp::from).collect();
    Ok(Claimed {
        held: Held { email_id, epoch },
        member_id,
        created_at: created_at.into(),
        message_id,
        case: Case {
            kind: kind(code)?,
            event_time: event_time.into(),
            progress: Progress {
                failures,
                faults,
                doubted,
            },
            fenced,
            wanted,
            suppressed,
            zone: letter
                .as_ref()
                .map(|letter| letter.recipient.time_zone.clone())
                .unwrap_or_default(),
            lately: Lately {
                sent: times(sent),
                reminded: times(reminded),
                waiting: usize::try_from(waiting).unwrap_or_default(),
            },
        },
        letter,
    })
}
