//! Table `bounce`: what delivery status notifications said of emails.

use diesel::{
    Connection, OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, Binary, Bool, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{
    statement::statement,
    suppressions::{Reason, suppress},
};
use crate::domain::{
    bounce::{Fate, Notification},
    diagnostic::words,
};

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    /// It is about no email of ours that ever left, or about one whose text was erased.
    Foreign,
    /// It stands in the email's history.
    Recorded {
        email_id: Uuid,
        /// It tells that the address is dead, and the address is suppressed.
        suppressed: bool,
    },
}

statement! {
    /// An email whose body never began cannot have come back; one whose end is not written yet can. Locked, so that it is
    /// not erased meanwhile.
    struct Find { email_id: Uuid as SqlUuid } -> Binary =
    "SELECT address_hash FROM email WHERE id = " email_id " AND letter IS NOT NULL AND (state IN (2, 6) \
       OR EXISTS (SELECT FROM attempt WHERE attempt.email_id = email.id AND attempt.step = 5) \
       OR EXISTS (SELECT FROM due WHERE due.email_id = email.id AND due.phase = 2)) FOR SHARE OF email"
}

statement! {
    struct Insert {
        email_id: Uuid as SqlUuid,
        at: jiff_diesel::Timestamp as Timestamptz,
        statuses: Vec<String> as Array<Text>,
        diagnostics: Vec<String> as Array<Text>,
    } -> (Text, Text) =
    "INSERT INTO bounce (email_id, at, status, diagnostic) SELECT " email_id ", " at ", status, diagnostic FROM unnest("
    statuses ", " diagnostics ") AS told (status, diagnostic) ON CONFLICT DO NOTHING RETURNING status, diagnostic"
}

statement! {
    struct IsSuppressed { hash: Vec<u8> as Binary } -> Bool =
    "SELECT EXISTS (SELECT FROM suppression WHERE address_hash = " hash ")"
}

/// Records a notification, and suppresses the address of the email that it is about, if it tells that it is dead. Again,
/// it does nothing: an address that an operator let get emails again stays free of what was known before.
pub(crate) fn note_bounce(
    connection: &mut PgConnection,
    notification: &Notification,
    now: Timestamp,
) -> QueryResult<Noted> {
    let Some(email_id) = notification.email_id else {
        return Ok(Noted::Foreign);
    };
    connection.transaction(|connection| {
        let found: Option<Vec<u8>> = Find { email_id }.get_result(connection).optional()?;
        let Some(hash) = found else {
            return Ok(Noted::Foreign);
        };
        let told = |fate: &Fate| (fate.status.to_string(), words(&fate.diagnostic));
        let (statuses, diagnostics) = notification.fates.iter().map(told).unzip();
        let insert = Insert {
            email_id,
            at: now.to_diesel(),
            statuses,
            diagnostics,
        };
        let new: Vec<(String, String)> = insert.load(connection)?;
        let dead: Vec<&Fate> = notification
            .fates
            .iter()
            .filter(|fate| fate.is_dead_mailbox())
            .collect();
        if dead.is_empty() {
            return Ok(Noted::Recorded {
                email_id,
                suppressed: false,
            });
        }
        if let Some(fate) = dead.into_iter().find(|fate| new.contains(&told(fate))) {
            let told = (email_id, fate.status.to_string());
            suppress(connection, &[told], Reason::Bounced, now)?;
        }
        let suppressed = IsSuppressed { hash }.get_result(connection)?;
        Ok(Noted::Recorded { email_id, suppressed })
    })
}
