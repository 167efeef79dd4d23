//! Reading the two books. The inviter's queries name no table that knows of folders.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, PgConnection, QueryDsl, QueryResult,
    RunQueryDsl,
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    codec::{Time, folder, folder_code, lifecycle, lifecycle_code, time},
    schema::{received, sent},
};
use crate::domain::invitation::{Folder, Lifecycle, Received, Sent};

type SentRow = (Uuid, Uuid, Uuid, String, i16, Time, Time, Option<Time>);
pub(super) type ReceivedRow = (
    Uuid,
    Uuid,
    Uuid,
    String,
    i16,
    i16,
    i64,
    Time,
    Time,
    Option<Time>,
    Time,
    bool,
);

/// One invitation of the inviter's book.
pub fn sent(connection: &mut PgConnection, inviter_id: Uuid, id: Uuid) -> QueryResult<Option<Sent>> {
    let row = sent::table.find((inviter_id, id)).first(connection).optional()?;
    row.map(read_sent).transpose()
}

/// Up to `limit` invitations of the inviter's book, newest first, those before `before` only.
pub fn sent_page(
    connection: &mut PgConnection,
    inviter_id: Uuid,
    before: Uuid,
    limit: i64,
) -> QueryResult<Vec<Sent>> {
    let rows = sent::table
        .filter(sent::inviter_id.eq(inviter_id).and(sent::id.lt(before)))
        .order(sent::id.desc())
        .limit(limit)
        .load(connection)?;
    rows.into_iter().map(read_sent).collect()
}

/// One invitation of the recipient's book.
pub fn received(
    connection: &mut PgConnection,
    recipient_id: Uuid,
    id: Uuid,
) -> QueryResult<Option<Received>> {
    let row = received::table
        .find((recipient_id, id))
        .first(connection)
        .optional()?;
    row.map(read_received).transpose()
}

/// Up to `limit` open invitations in one folder of the recipient's book, newest first, those before `before` only.
pub fn received_page(
    connection: &mut PgConnection,
    recipient_id: Uuid,
    folder: Folder,
    now: Timestamp,
    before: Uuid,
    limit: i64,
) -> QueryResult<Vec<Received>> {
    let open = received::lifecycle
        .eq(lifecycle_code(Lifecycle::Pending))
        .and(received::folder.eq(folder_code(folder)))
        .and(received::expires_at.gt(time(now)));
    let rows = received::table
        .filter(
            received::recipient_id
                .eq(recipient_id)
                .and(received::id.lt(before)),
        )
        .filter(open)
        .order(received::id.desc())
        .limit(limit)
        .load(connection)?;
    rows.into_iter().map(read_received).collect()
}

fn read_sent(row: SentRow) -> QueryResult<Sent> {
    let (inviter_id, id, recipient_id, note, lifecycle_code, sent_at, expires_at, accepted_at) = row;
    Ok(Sent {
        inviter_id,
        id,
        recipient_id,
        note,
        lifecycle: lifecycle(lifecycle_code)?,
        sent_at: sent_at.to_jiff(),
        expires_at: expires_at.to_jiff(),
        accepted_at: accepted_at.map(Time::to_jiff),
    })
}

pub(super) fn read_received(row: ReceivedRow) -> QueryResult<Received> {
    let (
        recipient_id,
        id,
        inviter_id,
        note,
        lifecycle_code,
        folder_code,
        sequence,
        sent_at,
        expires_at,
        accepted_at,
        emailed_at,
        reminders,
    ) = row;
    Ok(Received {
        recipient_id,
        id,
        inviter_id,
        note,
        lifecycle: lifecycle(lifecycle_code)?,
        folder: folder(folder_code)?,
        sequence,
        sent_at: sent_at.to_jiff(),
        expires_at: expires_at.to_jiff(),
        accepted_at: accepted_at.map(Time::to_jiff),
        emailed_at: emailed_at.to_jiff(),
        reminders,
    })
}
