//! Table `reader`: what a reader wants to get. What a reader got lately stands in the same row and is not touched here.

use diesel::{
    OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, Bool, Nullable, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::{emails::kind, statement::statement};
use crate::domain::preferences::{Changes, Preferences};

statement! {
    struct Read { member_id: Uuid as SqlUuid } -> (Array<SmallInt>, Bool) =
    "SELECT off, contact_restricted FROM reader WHERE member_id = " member_id
}

statement! {
    /// Works on the row as it is once the lock is there, so that changes of different choices at the same time all
    /// hold.
    struct Change {
        member_id: Uuid as SqlUuid,
        switch_on: Vec<i16> as Array<SmallInt>,
        switch_off: Vec<i16> as Array<SmallInt>,
        restrict_contact: Option<bool> as Nullable<Bool>,
        now: jiff_diesel::Timestamp as Timestamptz,
    } -> (Array<SmallInt>, Bool) =
    "WITH wanted AS (SELECT " member_id " AS member_id, " switch_on " AS on_codes, " switch_off " AS off_codes, "
    restrict_contact " AS restricted, " now " AS now) \
     INSERT INTO reader (member_id, off, contact_restricted, chosen_at) \
     SELECT member_id, off_codes, coalesce(restricted, false), now FROM wanted \
     ON CONFLICT (member_id) DO UPDATE SET \
       off = ARRAY(SELECT code FROM wanted, unnest(reader.off || off_codes) AS code \
         WHERE code <> ALL(on_codes) GROUP BY code ORDER BY code), \
       contact_restricted = coalesce((SELECT restricted FROM wanted), reader.contact_restricted), \
       chosen_at = excluded.chosen_at \
     RETURNING off, contact_restricted"
}

/// The reader's choices.
pub(crate) fn preferences(connection: &mut PgConnection, member_id: Uuid) -> QueryResult<Preferences> {
    let row = Read { member_id }.get_result(connection).optional()?;
    row.map_or_else(|| Ok(Preferences::default()), read)
}

/// Changes what `changes` names. Answers the choices afterwards.
pub(crate) fn choose(
    connection: &mut PgConnection,
    member_id: Uuid,
    changes: &Changes,
    now: Timestamp,
) -> QueryResult<Preferences> {
    let row = Change {
        member_id,
        switch_on: changes.switch_on.iter().map(|kind| *kind as i16).collect(),
        switch_off: changes.switch_off.iter().map(|kind| *kind as i16).collect(),
        restrict_contact: changes.restrict_contact,
        now: now.to_diesel(),
    };
    read(row.get_result(connection)?)
}

fn read((off, contact_restricted): (Vec<i16>, bool)) -> QueryResult<Preferences> {
    Ok(Preferences {
        off: off.into_iter().map(kind).collect::<QueryResult<_>>()?,
        contact_restricted,
    })
}
