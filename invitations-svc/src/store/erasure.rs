//! What is left of a member who was erased.

use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl, sql_query,
    sql_types::{BigInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use jiff_diesel::ToDiesel;
use uuid::Uuid;

use super::codec::Time;
use crate::domain::{command::Received, ids::last_of};

/// A member whose rows are being erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Whose.
    pub member_id: Uuid,
    /// Since when.
    pub asked_at: Timestamp,
    /// Whether the member has been made known again: then only what was there before goes.
    pub known_again: bool,
}

impl Erasure {
    /// The last event whose emails go, as far as is known at `looked_at`.
    pub fn until(&self, looked_at: Timestamp) -> Timestamp {
        if self.known_again {
            self.asked_at
        } else {
            looked_at
        }
    }

    /// The last invitation that goes.
    fn last_id(&self) -> Uuid {
        if self.known_again {
            last_of(self.asked_at)
        } else {
            Uuid::max()
        }
    }

    /// The last connection that goes.
    fn last_connection(&self) -> Time {
        if self.known_again {
            self.asked_at.to_diesel()
        } else {
            Timestamp::MAX.to_diesel()
        }
    }
}

/// The members whose rows are being erased, longest first; of some members only, where they are named.
pub fn under_way(db: &mut PgConnection, member_ids: Option<&[Uuid]>) -> QueryResult<Vec<Erasure>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        member_id: Uuid,
        #[diesel(sql_type = Timestamptz)]
        asked_at: Time,
        #[diesel(sql_type = diesel::sql_types::Bool)]
        known_again: bool,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT e.member_id, e.asked_at, EXISTS (SELECT FROM member m WHERE m.member_id = e.member_id) AS known_again \
         FROM erasure e WHERE $1 IS NULL OR e.member_id = ANY($1) ORDER BY e.asked_at",
    )
    .bind::<diesel::sql_types::Nullable<diesel::sql_types::Array<SqlUuid>>, _>(member_ids)
    .load(db)?;
    let erasure = |row: Row| Erasure {
        member_id: row.member_id,
        asked_at: row.asked_at.to_jiff(),
        known_again: row.known_again,
    };
    Ok(rows.into_iter().map(erasure).collect())
}

/// Up to `limit` pending invitations from and to the member.
pub fn pending(db: &mut PgConnection, erasure: &Erasure, limit: i64) -> QueryResult<Vec<Received>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        recipient_id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT recipient_id, id FROM received WHERE recipient_id = $1 AND id <= $2 AND lifecycle = 1 \
         UNION ALL SELECT recipient_id, id FROM sent WHERE inviter_id = $1 AND id <= $2 AND lifecycle = 1 LIMIT $3",
    )
    .bind::<SqlUuid, _>(erasure.member_id)
    .bind::<SqlUuid, _>(erasure.last_id())
    .bind::<BigInt, _>(limit)
    .load(db)?;
    let named = |row: Row| Received {
        recipient_id: row.recipient_id,
        invitation_id: row.id,
    };
    Ok(rows.into_iter().map(named).collect())
}

/// Up to `limit` members whom the member is connected to.
pub fn connected(db: &mut PgConnection, erasure: &Erasure, limit: i64) -> QueryResult<Vec<Uuid>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        other_id: Uuid,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT other_id FROM connection WHERE member_id = $1 AND connected_at <= $2 ORDER BY other_id LIMIT $3",
    )
    .bind::<SqlUuid, _>(erasure.member_id)
    .bind::<Timestamptz, _>(erasure.last_connection())
    .bind::<BigInt, _>(limit)
    .load(db)?;
    Ok(rows.into_iter().map(|row| row.other_id).collect())
}

/// Takes the texts that the member wrote out of every book. No rule rewrites them any more: what was open is closed.
pub fn blank(db: &mut PgConnection, erasure: &Erasure) -> QueryResult<()> {
    let statements = [
        "UPDATE received r SET note = '' FROM sent s WHERE s.inviter_id = $1 AND s.id <= $2 \
         AND r.recipient_id = s.recipient_id AND r.id = s.id AND r.note <> ''",
        "UPDATE sent SET note = '' WHERE inviter_id = $1 AND id <= $2 AND note <> ''",
        "UPDATE reply y SET text = '' FROM received r WHERE r.recipient_id = $1 AND r.id <= $2 AND r.replies > 0 \
         AND y.inviter_id = r.inviter_id AND y.invitation_id = r.id AND y.text <> ''",
        "UPDATE outbox_dead SET text = '' WHERE (inviter_id = $1 OR recipient_id = $1) AND invitation_id <= $2 \
         AND text <> ''",
    ];
    db.transaction(|db| {
        for statement in statements {
            sql_query(statement)
                .bind::<SqlUuid, _>(erasure.member_id)
                .bind::<SqlUuid, _>(erasure.last_id())
                .execute(db)?;
        }
        Ok(())
    })
}

/// Notes that nothing is left, unless the member was erased once more meanwhile.
pub fn finish(db: &mut PgConnection, erasure: &Erasure) -> QueryResult<()> {
    sql_query("DELETE FROM erasure WHERE member_id = $1 AND asked_at = $2")
        .bind::<SqlUuid, _>(erasure.member_id)
        .bind::<Timestamptz, _>(erasure.asked_at.to_diesel())
        .execute(db)
        .map(|_| ())
}
