//! Table `act`, and what operators do to emails: one transaction with the act's row, so that it is done once and known
//! who did it, for as long as acts are kept.
//!
//! Locks are taken in the order of all who close emails: the row of `due`, then the email. So an act and a worker meet
//! as a cancel and a worker do: whoever is first, the other finds the claim or the email gone.

use std::sync::Arc;

use diesel::{
    Connection, OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    result::Error as DieselError,
    sql_types::{Binary, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use shell::postgres::may_pass_again;
use uuid::Uuid;

use super::{
    emails::{kind, state},
    history::{self, Email},
    statement::statement,
};
use crate::domain::{
    delivery::Phase,
    email::{Outcome, State},
    kind::Kind,
    operate::{Effect, Operation, Refusal, Standing, operate},
};

/// How often a transaction is done again after another one broke it up.
const TRIES: usize = 4;

/// What an operator asked for, and why.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) client: Arc<str>,
    pub(crate) request_id: Uuid,
    /// SHA-256 of rpc and request.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) rpc: &'static str,
    pub(crate) note: String,
}

/// What an act did to an email.
#[derive(Debug)]
pub(crate) struct Done {
    /// The email afterwards.
    pub(crate) email: Email,
    /// An outcome that it had and that counts no longer.
    pub(crate) taken_back: Option<Outcome>,
    /// The outcome that it got.
    pub(crate) outcome: Option<Outcome>,
}

pub(super) enum Failure {
    Refused(Refusal),
    Database(DieselError),
    /// The email was opened again by somebody else between our two locks.
    Overtaken,
}

impl From<DieselError> for Failure {
    fn from(error: DieselError) -> Self {
        Self::Database(error)
    }
}

statement! {
    /// Waits for a call with the same request id.
    struct Insert {
        client: String as Text,
        request_id: Uuid as SqlUuid,
        fingerprint: Vec<u8> as Binary,
        at: jiff_diesel::Timestamp as Timestamptz,
        rpc: String as Text,
        email_id: Option<Uuid> as Nullable<SqlUuid>,
        note: String as Text,
    } -> Integer =
    "INSERT INTO act (client, request_id, fingerprint, at, rpc, email_id, note) VALUES (" client ", " request_id ", "
    fingerprint ", " at ", " rpc ", " email_id ", " note ") ON CONFLICT DO NOTHING RETURNING 1"
}

statement! {
    struct Known { client: String as Text, request_id: Uuid as SqlUuid } -> (Binary, Nullable<SqlUuid>) =
    "SELECT fingerprint, email_id FROM act WHERE client = " client " AND request_id = " request_id
}

statement! {
    struct LockDue { email_id: Uuid as SqlUuid } -> (SmallInt, Bool) =
    "SELECT phase, doubted FROM due WHERE email_id = " email_id " FOR UPDATE"
}

statement! {
    struct LockEmail { email_id: Uuid as SqlUuid } -> (SmallInt, SmallInt, Bool) =
    "SELECT kind, state, letter IS NOT NULL FROM email WHERE id = " email_id " FOR UPDATE"
}

statement! {
    /// Never later than it would be: who has waited longest is first.
    struct RunNow { email_id: Uuid as SqlUuid, now: jiff_diesel::Timestamp as Timestamptz } -> Integer =
    "WITH one AS (SELECT " email_id " AS email_id) \
     UPDATE due SET run_at = least(run_at, " now ") FROM one WHERE due.email_id = one.email_id RETURNING 1"
}

statement! {
    /// Every part sees the email as it was before.
    struct Close {
        email_id: Uuid as SqlUuid,
        state: i16 as SmallInt,
        now: jiff_diesel::Timestamp as Timestamptz,
    } -> Integer =
    "WITH one AS (SELECT id, kind, email.state AS was, given.state FROM email, (SELECT " state "::smallint AS state) AS given \
       WHERE id = " email_id "), \
     gone AS (DELETE FROM due USING one WHERE due.email_id = one.id RETURNING lease_epoch), \
     unlisted AS (DELETE FROM unsent USING one WHERE unsent.state = one.was AND unsent.email_id = one.id), \
     listed AS (INSERT INTO unsent (state, email_id, kind) SELECT state, id, kind FROM one WHERE state > 2 \
       ON CONFLICT DO NOTHING) \
     UPDATE email SET claims = coalesce((SELECT lease_epoch FROM gone), claims), state = one.state, final_at = " now
    " FROM one WHERE email.id = one.id RETURNING 1"
}

statement! {
    /// Fencing tokens go on where they ended: whoever stalled with one of before can do nothing with it.
    struct Reopen {
        email_id: Uuid as SqlUuid,
        now: jiff_diesel::Timestamp as Timestamptz,
        doubted: bool as Bool,
    } -> Integer =
    "WITH one AS (SELECT id, state FROM email WHERE id = " email_id "), \
     unlisted AS (DELETE FROM unsent USING one WHERE unsent.state = one.state AND unsent.email_id = one.id), \
     opened AS (UPDATE email SET state = 1, final_at = NULL FROM one WHERE email.id = one.id RETURNING email.*) \
     INSERT INTO due (email_id, invitation_id, sequence, kind, member_id, run_at, doubted, lease_epoch) \
     SELECT id, invitation_id, sequence, kind, member_id, " now ", " doubted
    ", greatest(claims, (SELECT max(n) FROM attempt WHERE attempt.email_id = opened.id)) FROM opened RETURNING 1"
}

/// Does what an operator asks for, once. Refused, nothing is done and nothing kept.
pub(crate) fn act(
    connection: &mut PgConnection,
    act: &Act,
    email_id: Uuid,
    operation: Operation,
    now: Timestamp,
) -> QueryResult<Result<Done, Refusal>> {
    retried(connection, |connection| {
        once(connection, act, email_id, operation, now)
    })
}

/// Runs a transaction, again where another one broke it up.
pub(super) fn retried<T>(
    connection: &mut PgConnection,
    work: impl Fn(&mut PgConnection) -> Result<T, Failure>,
) -> QueryResult<Result<T, Refusal>> {
    let mut tries = 1;
    loop {
        match connection.transaction(&work) {
            Ok(done) => return Ok(Ok(done)),
            Err(Failure::Refused(refusal)) => return Ok(Err(refusal)),
            Err(Failure::Overtaken) if tries < TRIES => tries += 1,
            Err(Failure::Overtaken) => return Err(DieselError::RollbackTransaction),
            Err(Failure::Database(error)) if tries < TRIES && may_pass_again(&error) => tries += 1,
            Err(Failure::Database(error)) => return Err(error),
        }
    }
}

/// Whether an act is done for the first time, or was done before.
pub(super) enum Time {
    First,
    /// With the email that it was done to.
    Again(Option<Uuid>),
}

/// Writes the act down.
pub(super) fn note(
    connection: &mut PgConnection,
    act: &Act,
    email_id: Option<Uuid>,
    now: Timestamp,
) -> Result<Time, Failure> {
    let inserted: Option<i32> = Insert {
        client: act.client.to_string(),
        request_id: act.request_id,
        fingerprint: act.fingerprint.to_vec(),
        at: now.to_diesel(),
        rpc: act.rpc.to_owned(),
        email_id,
        note: act.note.clone(),
    }
    .get_result(connection)
    .optional()?;
    if inserted.is_some() {
        return Ok(Time::First);
    }
    let known = Known {
        client: act.client.to_string(),
        request_id: act.request_id,
    };
    let (fingerprint, email_id): (Vec<u8>, Option<Uuid>) = known.get_result(connection)?;
    if fingerprint != act.fingerprint {
        return Err(Failure::Refused(Refusal::RequestIdReused));
    }
    Ok(Time::Again(email_id))
}

fn once(
    connection: &mut PgConnection,
    act: &Act,
    email_id: Uuid,
    operation: Operation,
    now: Timestamp,
) -> Result<Done, Failure> {
    let time = note(connection, act, Some(email_id), now)?;
    let (taken_back, outcome) = match time {
        Time::First => change(connection, email_id, operation, now)?,
        Time::Again(_) => (None, None),
    };
    let email = history::email(connection, email_id)?;
    Ok(Done {
        email: email.ok_or(Failure::Refused(Refusal::NotFound))?,
        taken_back,
        outcome,
    })
}

/// Answers the outcome that was taken back and the one that was given.
fn change(
    connection: &mut PgConnection,
    email_id: Uuid,
    operation: Operation,
    now: Timestamp,
) -> Result<(Option<Outcome>, Option<Outcome>), Failure> {
    let (kind, standing) = lock(connection, email_id)?;
    let effect = operate(operation, standing).map_err(Failure::Refused)?;
    let now = now.to_diesel();
    let taken_back = match standing {
        Standing::Open { .. } => None,
        Standing::Closed { state, .. } => Some(Outcome { kind, state }),
    };
    match effect {
        Effect::Nothing => Ok((None, None)),
        Effect::RunNow => {
            RunNow { email_id, now }.get_result::<i32>(connection)?;
            Ok((None, None))
        }
        Effect::Close(state) => {
            let close = Close {
                email_id,
                state: state as i16,
                now,
            };
            close.get_result::<i32>(connection)?;
            Ok((taken_back, Some(Outcome { kind, state })))
        }
        Effect::Reopen { doubted } => {
            Reopen {
                email_id,
                now,
                doubted,
            }
            .get_result::<i32>(connection)?;
            Ok((taken_back, None))
        }
    }
}

/// How the email stands, and stays until the transaction's end.
fn lock(connection: &mut PgConnection, email_id: Uuid) -> Result<(Kind, Standing), Failure> {
    let due: Option<(i16, bool)> = LockDue { email_id }.get_result(connection).optional()?;
    let email: Option<(i16, i16, bool)> = LockEmail { email_id }.get_result(connection).optional()?;
    let (code, state_code, readable) = email.ok_or(Failure::Refused(Refusal::NotFound))?;
    let standing = match (due, state(state_code)?) {
        (Some((phase, doubted)), State::Open) => Standing::Open {
            phase: phase_of(phase),
            doubted,
        },
        (None, State::Open) => return Err(Failure::Overtaken),
        (_, state) => Standing::Closed { state, readable },
    };
    Ok((kind(code)?, standing))
}

fn phase_of(code: i16) -> Option<Phase> {
    [Phase::Claimed, Phase::Body]
        .into_iter()
        .find(|phase| *phase as i16 == code)
}
