//! Table `suppression`: addresses that are dead.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::statement::statement;

/// Who said that an address is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The mail server, when it was offered an email.
    Refused = 1,
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
     ORDER BY email.address_hash ON CONFLICT DO NOTHING RETURNING email_id"
}

/// Notes that the addresses of these emails are dead, with what was said of them.
pub(crate) fn suppress(
    connection: &mut PgConnection,
    told: &[(Uuid, String)],
    reason: Reason,
    now: Timestamp,
) -> QueryResult<()> {
    let (email_ids, diagnostics) = told.iter().cloned().unzip();
    let suppress = Suppress {
        email_ids,
        diagnostics,
        reason: reason as i16,
        now: now.to_diesel(),
    };
    suppress.load::<Uuid>(connection).map(drop)
}
