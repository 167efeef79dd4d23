//! Reading emails and what happened to them, for operators. Each list is narrowed by an index, however many emails there
//! are: those of a member, of an invitation, that are open (`due`), or that ended otherwise than sent (`unsent`). Most are
//! sent, so those are found by walking back from the newest.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    result::Error as DieselError,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    emails::{kind, state},
    statement::statement,
};
use crate::domain::{
    email::{Letter, State},
    kind::Kind,
    reply::Step,
};

/// Events of one email that are told.
const MAX_EVENTS: i64 = 1_000;

/// An email, with what `due` knows while it is open.
#[derive(Debug)]
pub(crate) struct Email {
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) invitation_id: Uuid,
    pub(crate) sequence: i64,
    pub(crate) member_id: Uuid,
    /// None once it was erased.
    pub(crate) letter: Option<Letter>,
    pub(crate) message_id: String,
    pub(crate) event_time: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) final_at: Option<Timestamp>,
    pub(crate) due: Option<Due>,
}

/// What is known of an open email only.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) run_at: Timestamp,
    pub(crate) claimed: bool,
    pub(crate) doubted: bool,
}

/// Something that happened to an email.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum What {
    /// It was tried, and got so far.
    Attempt {
        step: Step,
        code: Option<i16>,
        reply: String,
        relay: String,
    },
    /// A delivery status notification came.
    Bounce { status: String, diagnostic: String },
    /// An operator did something.
    Act {
        client: String,
        rpc: String,
        note: String,
    },
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    pub(crate) kind: Option<Kind>,
    pub(crate) member_id: Option<Uuid>,
    pub(crate) invitation_id: Option<Uuid>,
}

type Columns = (
    SqlUuid,
    SmallInt,
    SmallInt,
    SqlUuid,
    BigInt,
    SqlUuid,
    Nullable<Text>,
    Text,
    Timestamptz,
    Timestamptz,
    Nullable<Timestamptz>,
    Nullable<Timestamptz>,
    Nullable<SmallInt>,
    Nullable<Bool>,
);

statement! {
    struct Read { ids: Vec<Uuid> as Array<SqlUuid> } -> Columns =
    "SELECT email.id, email.kind, email.state, email.invitation_id, email.sequence, email.member_id, email.letter::text, \
       email.message_id, email.event_time, email.created_at, email.final_at, due.run_at, due.phase, due.doubted \
     FROM email LEFT JOIN due ON due.email_id = email.id WHERE email.id = ANY(" ids ") ORDER BY email.id DESC"
}

statement! {
    /// The latest, oldest first.
    struct Events { email_id: Uuid as SqlUuid, limit: i64 as BigInt }
    -> (Timestamptz, Integer, Integer, SmallInt, Nullable<SmallInt>, Text, Text, Text) =
    "WITH one AS (SELECT " email_id " AS email_id), \
     events AS (SELECT at, 1 AS what, n, step, code, reply AS a, relay AS b, '' AS c \
         FROM attempt JOIN one USING (email_id) \
       UNION ALL SELECT at, 2, 0, 0::smallint, NULL, status, diagnostic, '' FROM bounce JOIN one USING (email_id) \
       UNION ALL SELECT at, 3, 0, 0::smallint, NULL, client, rpc, note FROM act JOIN one USING (email_id)), \
     latest AS (SELECT * FROM events ORDER BY at DESC, what DESC, n DESC LIMIT " limit ") \
     SELECT at, what, n, step, code, a, b, c FROM latest ORDER BY at, what, n"
}

statement! {
    /// An invitation has few emails, so they are all looked at.
    struct OfInvitation {
        invitation_id: Uuid as SqlUuid,
        before: Uuid as SqlUuid,
        member_id: Option<Uuid> as Nullable<SqlUuid>,
        state: Option<i16> as Nullable<SmallInt>,
        kind: Option<i16> as Nullable<SmallInt>,
        limit: i64 as BigInt,
    } -> SqlUuid =
    "WITH of AS MATERIALIZED (SELECT id, member_id, state, kind FROM email WHERE invitation_id = " invitation_id ") \
     SELECT id FROM of WHERE id < " before
    " AND member_id = coalesce(" member_id ", member_id) AND state = coalesce(" state ", state) AND kind = coalesce(" kind
    ", kind) ORDER BY id DESC LIMIT " limit
}

statement! {
    struct OfMember {
        member_id: Uuid as SqlUuid,
        before: Uuid as SqlUuid,
        state: Option<i16> as Nullable<SmallInt>,
        kind: Option<i16> as Nullable<SmallInt>,
        limit: i64 as BigInt,
    } -> SqlUuid =
    "SELECT id FROM email WHERE member_id = " member_id " AND id < " before
    " AND state = coalesce(" state ", state) AND kind = coalesce(" kind ", kind) ORDER BY member_id DESC, id DESC LIMIT "
    limit
}

statement! {
    struct Open {
        before: Uuid as SqlUuid,
        kind: Option<i16> as Nullable<SmallInt>,
        limit: i64 as BigInt,
    } -> SqlUuid =
    "SELECT email_id FROM due WHERE email_id < " before " AND kind = coalesce(" kind
    ", kind) ORDER BY email_id DESC LIMIT " limit
}

statement! {
    struct Unsent {
        state: i16 as SmallInt,
        before: Uuid as SqlUuid,
        kind: Option<i16> as Nullable<SmallInt>,
        limit: i64 as BigInt,
    } -> SqlUuid =
    "SELECT email_id FROM unsent WHERE state = " state " AND email_id < " before " AND kind = coalesce(" kind
    ", kind) ORDER BY email_id DESC LIMIT " limit
}

statement! {
    struct Newest {
        before: Uuid as SqlUuid,
        state: Option<i16> as Nullable<SmallInt>,
        kind: Option<i16> as Nullable<SmallInt>,
        limit: i64 as BigInt,
    } -> SqlUuid =
    "SELECT id FROM email WHERE id < " before " AND state = coalesce(" state ", state) AND kind = coalesce(" kind
    ", kind) ORDER BY id DESC LIMIT " limit
}

/// One email; none where there is none.
pub(crate) fn email(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<Email>> {
    Ok(read(connection, vec![id])?.pop())
}

/// One email with the latest of what happened to it, oldest first.
pub(crate) fn history(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<(Email, Vec<Event>)>> {
    snapshot(connection, |connection| {
        let Some(email) = email(connection, id)? else {
            return Ok(None);
        };
        Ok(Some((email, events(connection, id)?)))
    })
}

/// Up to `limit` emails before the id `before`, the highest id first.
pub(crate) fn page(
    connection: &mut PgConnection,
    filter: Filter,
    before: Uuid,
    limit: i64,
) -> QueryResult<Vec<Email>> {
    snapshot(connection, |connection| {
        let ids = ids(connection, filter, before, limit)?;
        read(connection, ids)
    })
}

/// All statements of `work` see one moment.
fn snapshot<T>(
    connection: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    connection
        .build_transaction()
        .read_only()
        .repeatable_read()
        .run(work)
}

fn ids(connection: &mut PgConnection, filter: Filter, before: Uuid, limit: i64) -> QueryResult<Vec<Uuid>> {
    let state = filter.state.map(|state| state as i16);
    let kind = filter.kind.map(|kind| kind as i16);
    let Filter {
        member_id,
        invitation_id,
        ..
    } = filter;
    if let Some(invitation_id) = invitation_id {
        let of = OfInvitation {
            invitation_id,
            before,
            member_id,
            state,
            kind,
            limit,
        };
        return of.load(connection);
    }
    if let Some(member_id) = member_id {
        return OfMember {
            member_id,
            before,
            state,
            kind,
            limit,
        }
        .load(connection);
    }
    match filter.state {
        Some(State::Open) => Open { before, kind, limit }.load(connection),
        Some(
            rare @ (State::Cancelled
            | State::Expired
            | State::Dead
            | State::Uncertain
            | State::PreferenceOff
            | State::Suppressed),
        ) => Unsent {
            state: rare as i16,
            before,
            kind,
            limit,
        }
        .load(connection),
        Some(State::Sent) | None => Newest {
            before,
            state,
            kind,
            limit,
        }
        .load(connection),
    }
}

/// The emails of these ids, the highest first.
fn read(connection: &mut PgConnection, ids: Vec<Uuid>) -> QueryResult<Vec<Email>> {
    type Time = jiff_diesel::Timestamp;
    type Row = (
        Uuid,
        i16,
        i16,
        Uuid,
        i64,
        Uuid,
        Option<String>,
        String,
        Time,
        Time,
        Option<Time>,
        Option<Time>,
        Option<i16>,
        Option<bool>,
    );
    let rows: Vec<Row> = Read { ids }.load(connection)?;
    let email = |row: Row| {
        Ok(Email {
            id: row.0,
            kind: kind(row.1)?,
            state: state(row.2)?,
            invitation_id: row.3,
            sequence: row.4,
            member_id: row.5,
            letter: row.6.and_then(|letter| serde_json::from_str(&letter).ok()),
            message_id: row.7,
            event_time: row.8.into(),
            created_at: row.9.into(),
            final_at: row.10.map(Into::into),
            due: row.11.map(|run_at| Due {
                run_at: run_at.into(),
                claimed: row.12 != Some(0),
                doubted: row.13 == Some(true),
            }),
        })
    };
    rows.into_iter().map(email).collect()
}

fn events(connection: &mut PgConnection, email_id: Uuid) -> QueryResult<Vec<Event>> {
    type Row = (
        jiff_diesel::Timestamp,
        i32,
        i32,
        i16,
        Option<i16>,
        String,
        String,
        String,
    );
    let limit = MAX_EVENTS;
    let rows: Vec<Row> = Events { email_id, limit }.load(connection)?;
    let event = |(at, what, _, step, code, a, b, c): Row| {
        let step = Step::from_code(step).ok_or_else(|| {
            DieselError::DeserializationError(format!("no step has the code {step}").into())
        })?;
        let what = match what {
            1 => What::Attempt {
                step,
                code,
                reply: a,
                relay: b,
            },
            2 => What::Bounce {
                status: a,
                diagnostic: b,
            },
            _ => What::Act {
                client: a,
                rpc: b,
                note: c,
            },
        };
        Ok(Event { at: at.into(), what })
    };
    rows.into_iter().map(event).collect()
}
