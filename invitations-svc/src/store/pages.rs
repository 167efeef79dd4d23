//! Pages of the two books, many in one statement. The inviter's names no table that knows of folders.

use std::cmp::Reverse;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    books::{SentRow, read_sent},
    codec::{Time, folder_code, impossible, lifecycle_code, read_count, time},
    prepared::prepared,
};
use crate::domain::invitation::{Folder, Lifecycle, Listed, Sent};

/// Up to `limit` invitations of the inviter's book, newest first, those before `before` only; none that vanished.
#[derive(Debug, Clone, Copy)]
pub struct SentPage {
    /// Whose book.
    pub inviter_id: Uuid,
    /// Where the page before ended.
    pub before: Uuid,
    /// The most that it holds.
    pub limit: i64,
}

/// Up to `limit` open invitations in one folder of the recipient's book, newest first, those before `before` only.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedPage {
    /// Whose book.
    pub recipient_id: Uuid,
    /// The folder.
    pub folder: Folder,
    /// When they are open.
    pub now: Timestamp,
    /// Where the page before ended.
    pub before: Uuid,
    /// The most that it holds.
    pub limit: i64,
}

/// A page, or what is wrong with a row of it.
pub type Page<T> = QueryResult<Vec<T>>;

/// Reads all of `pages`, in their order. A row that cannot be fails its own page only.
pub fn sent_pages(db: &mut PgConnection, pages: &[SentPage]) -> QueryResult<Vec<Page<Sent>>> {
    let statement = SentPages {
        inviters: &pages.iter().map(|page| page.inviter_id).collect(),
        before: &pages.iter().map(|page| page.before).collect(),
        limits: &pages.iter().map(|page| page.limit).collect(),
        vanished: &lifecycle_code(Lifecycle::Void),
    };
    let rows: Vec<(i64, SentRow)> = statement.load(db)?;
    let read =
        |page: &SentPage, row| read_sent(row).and_then(|row| own(row.inviter_id, page.inviter_id, row));
    let mut found = sort(pages, rows, read)?;
    for page in found.iter_mut().flatten() {
        page.sort_unstable_by_key(|row: &Sent| Reverse(row.id));
    }
    Ok(found)
}

/// Reads all of `pages`, in their order. A row that cannot be fails its own page only.
pub fn received_pages(db: &mut PgConnection, pages: &[ReceivedPage]) -> QueryResult<Vec<Page<Listed>>> {
    let statement = ReceivedPages {
        recipients: &pages.iter().map(|page| page.recipient_id).collect(),
        folders: &pages.iter().map(|page| folder_code(page.folder)).collect(),
        now: &pages.iter().map(|page| time(page.now)).collect(),
        before: &pages.iter().map(|page| page.before).collect(),
        limits: &pages.iter().map(|page| page.limit).collect(),
        open: &lifecycle_code(Lifecycle::Pending),
    };
    let rows: Vec<(i64, ListedRow)> = statement.load(db)?;
    let read = |page: &ReceivedPage, row: ListedRow| {
        let (recipient_id, id, inviter_id, note, sequence, sent_at, expires_at, replies) = row;
        let listed = Listed {
            id,
            inviter_id,
            note,
            sequence,
            sent_at: sent_at.to_jiff(),
            expires_at: expires_at.to_jiff(),
            replies: read_count(replies, "replies")?,
        };
        own(recipient_id, page.recipient_id, listed)
    };
    let mut found = sort(pages, rows, read)?;
    for page in found.iter_mut().flatten() {
        page.sort_unstable_by_key(|row: &Listed| Reverse(row.id));
    }
    Ok(found)
}

type ListedRow = (Uuid, Uuid, Uuid, String, i64, Time, Time, i16);

/// The row, where it stands in the book that was asked for: nobody is shown what is another member's.
fn own<T>(owner: Uuid, asked: Uuid, row: T) -> QueryResult<T> {
    if owner == asked {
        Ok(row)
    } else {
        Err(impossible("ord"))
    }
}

/// Puts each row into the page that its number names, from 1.
fn sort<P, R, T>(
    pages: &[P],
    rows: Vec<(i64, R)>,
    read: impl Fn(&P, R) -> QueryResult<T>,
) -> QueryResult<Vec<Page<T>>> {
    let mut found: Vec<Page<T>> = pages.iter().map(|_| Ok(Vec::new())).collect();
    for (ord, row) in rows {
        let at = usize::try_from(ord - 1).map_err(|_| impossible("ord"))?;
        let (page, place) = pages
            .get(at)
            .zip(found.get_mut(at))
            .ok_or_else(|| impossible("ord"))?;
        match (read(page, row), &mut *place) {
            (Ok(row), Ok(rows)) => rows.push(row),
            (Err(error), _) => *place = Err(error),
            (Ok(_), Err(_)) => {}
        }
    }
    Ok(found)
}

struct SentPages<'a> {
    inviters: &'a Vec<Uuid>,
    before: &'a Vec<Uuid>,
    limits: &'a Vec<i64>,
    vanished: &'a i16,
}

prepared!(
    SentPages,
    (
        BigInt,
        (
            SqlUuid,
            SqlUuid,
            SqlUuid,
            Text,
            SmallInt,
            Timestamptz,
            Timestamptz,
            Nullable<Timestamptz>
        )
    )
);

impl QueryFragment<Pg> for SentPages<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT k.ord, s.* FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(self.inviters)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(self.before)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(self.limits)?;
        out.push_sql(
            ") WITH ORDINALITY AS k(inviter_id, before, most, ord), LATERAL (\
             SELECT inviter_id, id, recipient_id, note, lifecycle, sent_at, expires_at, closed_at FROM sent \
             WHERE sent.inviter_id = k.inviter_id AND sent.id < k.before AND sent.lifecycle <> ",
        );
        out.push_bind_param::<SmallInt, _>(self.vanished)?;
        out.push_sql(" ORDER BY sent.id DESC LIMIT k.most) AS s");
        Ok(())
    }
}

struct ReceivedPages<'a> {
    recipients: &'a Vec<Uuid>,
    folders: &'a Vec<i16>,
    now: &'a Vec<Time>,
    before: &'a Vec<Uuid>,
    limits: &'a Vec<i64>,
    open: &'a i16,
}

prepared!(
    ReceivedPages,
    (
        BigInt,
        (
            SqlUuid,
            SqlUuid,
            SqlUuid,
            Text,
            BigInt,
            Timestamptz,
            Timestamptz,
            SmallInt
        )
    )
);

impl QueryFragment<Pg> for ReceivedPages<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT k.ord, r.* FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(self.recipients)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SmallInt>, _>(self.folders)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(self.now)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(self.before)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(self.limits)?;
        out.push_sql(
            ") WITH ORDINALITY AS k(recipient_id, folder, now, before, most, ord), LATERAL (\
             SELECT recipient_id, id, inviter_id, note, sequence, sent_at, expires_at, replies FROM received \
             WHERE received.recipient_id = k.recipient_id AND received.id < k.before \
             AND received.folder = k.folder AND received.expires_at > k.now AND received.lifecycle = ",
        );
        out.push_bind_param::<SmallInt, _>(self.open)?;
        out.push_sql(" ORDER BY received.id DESC LIMIT k.most) AS r");
        Ok(())
    }
}
