//! Table `suppression`: addresses that get no email any more, by their hash.

use diesel::{
    OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    result::Error as DieselError,
    sql_types::{Array, BigInt, Binary, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{
    acts::{self, Act, Failure},
    statement::statement,
};
use crate::domain::{address::AddressHash, operate::Refusal};

/// Who said that an address is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The mail server, when it was offered an email.
    Refused = 1,
    /// A delivery status notification, later.
    Bounced = 2,
}

impl Reason {
    /// The reason that a row names by its number.
    fn from_code(code: i16) -> Option<Self> {
        [Self::Refused, Self::Bounced]
            .into_iter()
            .find(|reason| *reason as i16 == code)
    }
}

/// An address that gets no email.
#[derive(Debug)]
pub(crate) struct Suppression {
    pub(crate) address: AddressHash,
    pub(crate) reason: Reason,
    pub(crate) diagnostic: String,
    /// The email that told.
    pub(crate) email_id: Uuid,
    pub(crate) created_at: Timestamp,
}

statement! {
    /// In the order of addresses, so that two never wait for each other. The first word on an address stays.
    struct Suppress {
        email_ids: Vec<Uuid> as Array<SqlUuid>,
        diagnostics: Vec<String> as Array<Text>,
        reason: i16 as SmallInt,
        now: jiff_diesel::Timestamp as Timestamptz,
    } -> SqlUuid =
    "INSERT INTO suppression (address_hash, reason, diagnostic, email_id, created_at) \
     SELECT DISTINCT ON (email.address_hash) email.address_hash, " reason ", told.diagnostic, email.id, " now
    " FROM unnest(" email_ids ", " diagnostics ") AS told (email_id, diagnostic) JOIN email ON email.id = told.email_id \
     WHERE email.address_hash <> '' ORDER BY email.address_hash ON CONFLICT DO NOTHING RETURNING email_id"
}

statement! {
    struct Page {
        address: Option<Vec<u8>> as Nullable<Binary>,
        before_time: jiff_diesel::Timestamp as Timestamptz,
        before_hash: Vec<u8> as Binary,
        limit: i64 as BigInt,
    } -> (Binary, SmallInt, Text, SqlUuid, Timestamptz) =
    "SELECT address_hash, reason, diagnostic, email_id, created_at FROM suppression \
     WHERE address_hash = coalesce(" address ", address_hash) AND (created_at, address_hash) < (" before_time ", "
    before_hash ") ORDER BY created_at DESC, address_hash DESC LIMIT " limit
}

statement! {
    struct Delete { hash: Vec<u8> as Binary } -> SqlUuid =
    "DELETE FROM suppression WHERE address_hash = " hash " RETURNING email_id"
}

statement! {
    struct NoteEmail {
        client: String as Text,
        request_id: Uuid as SqlUuid,
        email_id: Uuid as SqlUuid,
    } -> SqlUuid =
    "WITH one AS (SELECT " client " AS client, " request_id " AS request_id, " email_id " AS email_id) \
     UPDATE act SET email_id = one.email_id FROM one \
     WHERE act.client = one.client AND act.request_id = one.request_id RETURNING one.email_id"
}

/// Notes that the addresses of these emails are dead, with the codes that said so: words could hold the address, and this
/// outlives the email.
pub(crate) fn suppress(
    connection: &mut PgConnection,
    told: &[(Uuid, String)],
    reason: Reason,
    now: Timestamp,
) -> QueryResult<()> {
    let suppress = Suppress {
        email_ids: told.iter().map(|(email_id, _)| *email_id).collect(),
        diagnostics: told.iter().map(|(_, codes)| codes.clone()).collect(),
        reason: reason as i16,
        now: now.to_diesel(),
    };
    suppress.load::<Uuid>(connection).map(drop)
}

/// Up to `limit` suppressions from before a time and hash, the latest first; where an address is given, only that one.
pub(crate) fn suppressions(
    connection: &mut PgConnection,
    address: Option<AddressHash>,
    before: (Timestamp, AddressHash),
    limit: i64,
) -> QueryResult<Vec<Suppression>> {
    type Row = (Vec<u8>, i16, String, Uuid, jiff_diesel::Timestamp);
    let page = Page {
        address: address.map(|hash| hash.0.to_vec()),
        before_time: before.0.to_diesel(),
        before_hash: before.1.0.to_vec(),
        limit,
    };
    let rows: Vec<Row> = page.load(connection)?;
    let suppression = |(hash, reason, diagnostic, email_id, created_at): Row| {
        let wrong = || DieselError::DeserializationError("no such suppression is written".into());
        Ok(Suppression {
            address: AddressHash(hash.try_into().map_err(|_| wrong())?),
            reason: Reason::from_code(reason).ok_or_else(wrong)?,
            diagnostic,
            email_id,
            created_at: created_at.into(),
        })
    };
    rows.into_iter().map(suppression).collect()
}

/// Lets an address get emails again. Answers whether it was suppressed; the same act again answers as it did first, which
/// the email in its row remembers.
pub(crate) fn lift(
    connection: &mut PgConnection,
    act: &Act,
    address: AddressHash,
    now: Timestamp,
) -> QueryResult<Result<bool, Refusal>> {
    acts::retried(connection, |connection| once(connection, act, address, now))
}

fn once(
    connection: &mut PgConnection,
    act: &Act,
    address: AddressHash,
    now: Timestamp,
) -> Result<bool, Failure> {
    if let acts::Time::Again(email_id) = acts::note(connection, act, None, now)? {
        return Ok(email_id.is_some());
    }
    let hash = address.0.to_vec();
    let Some(email_id) = Delete { hash }.get_result::<Uuid>(connection).optional()? else {
        return Ok(false);
    };
    let noted = NoteEmail {
        client: act.client.to_string(),
        request_id: act.request_id,
        email_id,
    };
    noted.get_result::<Uuid>(connection)?;
    Ok(true)
}
