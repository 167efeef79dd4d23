//! Tables `email` and `due` at the moment an email is queued, and the states of emails.

use std::collections::HashMap;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, BigInt, Binary, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::statement::statement;
use crate::domain::{address::AddressHash, command::Queue, email::State, kind::Kind};

/// An email that is queued for the first time.
pub(super) struct New<'a> {
    pub(super) id: Uuid,
    pub(super) queue: &'a Queue,
    /// `Open`, or `Cancelled` where the fence was there first.
    pub(super) state: State,
}

statement! {
    struct Insert {
        ids: Vec<Uuid> as Array<SqlUuid>,
        invitation_ids: Vec<Uuid> as Array<SqlUuid>,
        sequences: Vec<i64> as Array<BigInt>,
        kinds: Vec<i16> as Array<SmallInt>,
        member_ids: Vec<Uuid> as Array<SqlUuid>,
        other_ids: Vec<Uuid> as Array<SqlUuid>,
        named_ids: Vec<String> as Array<Text>,
        address_hashes: Vec<Vec<u8>> as Array<Binary>,
        event_times: Vec<jiff_diesel::Timestamp> as Array<Timestamptz>,
        letters: Vec<String> as Array<Text>,
        message_ids: Vec<String> as Array<Text>,
        states: Vec<i16> as Array<SmallInt>,
        now: jiff_diesel::Timestamp as Timestamptz,
    } -> BigInt =
    "WITH wanted AS MATERIALIZED (SELECT f.*, " invitation_ids "[n::int] AS invitation_id, "
    sequences "[n::int] AS sequence, " kinds "[n::int] AS kind, " member_ids "[n::int] AS member_id, "
    other_ids "[n::int] AS other_id, " event_times "[n::int] AS event_time, " states "[n::int] AS state \
     FROM unnest(" ids ", " named_ids ", " address_hashes ", " letters ", " message_ids
    ") WITH ORDINALITY AS f (id, named_ids, address_hash, letter, message_id, n)), clock AS (SELECT " now " AS now), \
     queued AS (INSERT INTO email (id, invitation_id, sequence, kind, member_id, other_id, named_ids, address_hash, event_time, \
       letter, message_id, created_at, state, final_at) \
       SELECT id, invitation_id, sequence, kind, member_id, other_id, named_ids::uuid[], address_hash, event_time, letter::json, \
       message_id, now, state, \
       CASE WHEN state = 1 THEN NULL ELSE now END FROM wanted, clock), \
     listed AS (INSERT INTO unsent (state, email_id, kind) SELECT state, id, kind FROM wanted WHERE state > 2), \
     waiting AS (INSERT INTO due (email_id, invitation_id, sequence, kind, member_id, run_at) \
       SELECT id, invitation_id, sequence, kind, member_id, now FROM wanted, clock WHERE state = 1 RETURNING 1) \
     SELECT count(*) FROM waiting"
}

statement! {
    struct States { ids: Vec<Uuid> as Array<SqlUuid> } -> (SqlUuid, SmallInt) =
    "SELECT id, state FROM email WHERE id = ANY(" ids ")"
}

/// Writes new emails. Message-IDs end in `@mail_domain`.
pub(super) fn insert(
    connection: &mut PgConnection,
    new: &[New<'_>],
    mail_domain: &str,
    now: Timestamp,
) -> QueryResult<()> {
    let letters = new.iter().map(|email| serde_json::to_string(&email.queue.letter));
    let letters = letters
        .collect::<Result<Vec<String>, _>>()
        .map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    Insert {
        ids: new.iter().map(|email| email.id).collect(),
        invitation_ids: new.iter().map(|email| email.queue.invitation_id).collect(),
        sequences: new.iter().map(|email| email.queue.sequence).collect(),
        kinds: new.iter().map(|email| email.queue.kind() as i16).collect(),
        member_ids: new.iter().map(|email| email.queue.member_id).collect(),
        other_ids: new.iter().map(|email| email.queue.other_id).collect(),
        named_ids: new.iter().map(named_ids).collect(),
        address_hashes: new.iter().map(address_hash).collect(),
        event_times: new
            .iter()
            .map(|email| email.queue.event_time.to_diesel())
            .collect(),
        letters,
        message_ids: new
            .iter()
            .map(|email| format!("<{}@{mail_domain}>", email.id))
            .collect(),
        states: new.iter().map(|email| email.state as i16).collect(),
        now: now.to_diesel(),
    }
    .get_result::<i64>(connection)?;
    Ok(())
}

/// As Postgres reads an array: arrays of arrays would be taken apart together.
fn named_ids(email: &New<'_>) -> String {
    let ids: Vec<String> = email.queue.named_ids.iter().map(Uuid::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

fn address_hash(email: &New<'_>) -> Vec<u8> {
    AddressHash::of(&email.queue.letter.recipient.address).0.to_vec()
}

/// Where the given emails stand.
pub(super) fn states(connection: &mut PgConnection, ids: Vec<Uuid>) -> QueryResult<HashMap<Uuid, State>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Uuid, i16)> = States { ids }.load(connection)?;
    let known = rows.into_iter().map(|(id, code)| Ok((id, state(code)?)));
    known.collect()
}

/// The state that a column holds.
pub(super) fn state(code: i16) -> QueryResult<State> {
    State::from_code(code).ok_or_else(|| {
        diesel::result::Error::DeserializationError(format!("no state has the code {code}").into())
    })
}

/// The kind that a column holds.
pub(super) fn kind(code: i16) -> QueryResult<Kind> {
    Kind::from_code(code).ok_or_else(|| {
        diesel::result::Error::DeserializationError(format!("no kind has the code {code}").into())
    })
}
