//! Reading the two books. The inviter's queries name no table that knows of folders.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, PgConnection, QueryDsl, QueryResult,
    RunQueryDsl,
};
use uuid::Uuid;

use super::{
    codec::{Time, folder, lifecycle, read_count},
    schema::{received, reply, sent},
};
use crate::domain::{
    invitation::{Received, Sent},
    transition::Reply,
};

pub(super) type SentRow = (Uuid, Uuid, Uuid, String, i16, Time, Time, Option<Time>);
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
    i16,
    i16,
    Option<Time>,
);

/// One invitation of the inviter's book.
pub fn sent(connection: &mut PgConnection, inviter_id: Uuid, id: Uuid) -> QueryResult<Option<Sent>> {
    let row = sent::table.find((inviter_id, id)).first(connection).optional()?;
    row.map(read_sent).transpose()
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

pub(super) fn read_sent(row: SentRow) -> QueryResult<Sent> {
    let (inviter_id, id, recipient_id, note, lifecycle_code, sent_at, expires_at, closed_at) = row;
    Ok(Sent {
        inviter_id,
        id,
        recipient_id,
        note,
        lifecycle: lifecycle(lifecycle_code)?,
        sent_at: sent_at.to_jiff(),
        expires_at: expires_at.to_jiff(),
        closed_at: closed_at.map(Time::to_jiff),
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
        closed_at,
        emailed_at,
        reminders,
        reminders_left,
        replies,
        due_at,
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
        closed_at: closed_at.map(Time::to_jiff),
        emailed_at: emailed_at.to_jiff(),
        reminders,
        reminders_left: read_count(reminders_left, "reminders_left")?,
        replies: read_count(replies, "replies")?,
        due_at: due_at.map(Time::to_jiff),
    })
}

/// All replies to an invitation, oldest first.
pub fn replies(
    connection: &mut PgConnection,
    inviter_id: Uuid,
    invitation_id: Uuid,
) -> QueryResult<Vec<Reply>> {
    let rows: Vec<(i16, String, Time)> = reply::table
        .filter(
            reply::inviter_id
                .eq(inviter_id)
                .and(reply::invitation_id.eq(invitation_id)),
        )
        .order(reply::number.asc())
        .select((reply::number, reply::text, reply::replied_at))
        .load(connection)?;
    let read = |(number, text, at): (i16, String, Time)| {
        Ok(Reply {
            inviter_id,
            invitation_id,
            number: read_count(number, "number")?,
            text,
            at: at.to_jiff(),
        })
    };
    rows.into_iter().map(read).collect()
}
