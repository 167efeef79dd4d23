//! One write of everything that a batch of commands changes, guarded by the versions it was judged by.
//!
//! New rows are plain INSERTs: a row that somebody else made meanwhile is a unique violation, and the batch is decided
//! again. (ON CONFLICT would go down each index twice.) Batches that do nothing but send use a text
//! without the other parts.

mod accounts;
mod audits;
mod connections;
mod events;
mod pairs;
mod received;
mod replies;
mod requests;
mod sent;

use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::BigInt,
};
use jiff::Timestamp;
use uuid::Uuid;

use self::{
    accounts::Accounts, audits::Audits, connections::Connections, events::Events, pairs::Pairs,
    received::ReceivedRows, replies::Replies, requests::Requests, sent::SentRows,
};
use super::{
    codec::{Time, time},
    members,
};
use crate::domain::{
    account::Account,
    invitation::{Received, Sent},
    member::Member,
    pair::Pair,
    request::StoredAnswer,
    transition::{AuditEntry, Connected, Disconnected, Event, Reply},
};

/// Rows to write, one list a table, one row a key, in the order of the keys.
#[derive(Debug, Default)]
pub struct Rows {
    /// With the versions that were read.
    pub accounts: Vec<Account>,
    /// With the versions that were read; 0 makes a new row.
    pub pairs: Vec<Stepped<Pair>>,
    /// The inviters' books.
    pub sent: Split<Sent>,
    /// The recipients' books.
    pub received: Split<Received>,
    /// Each becomes two rows.
    pub connected: Vec<Connected>,
    /// Each takes two rows away.
    pub disconnected: Vec<Disconnected>,
    /// Replies.
    pub replies: Vec<Reply>,
    /// First answers; one that is old replaces a forgotten one.
    pub answers: Split<StoredAnswer>,
    /// Transitions.
    pub events: Vec<Ordered>,
    /// What operators will want to know.
    pub audits: Vec<AuditEntry>,
    /// Members told of.
    pub members: Vec<Member>,
    /// Members to forget.
    pub erased: Vec<Uuid>,
}

/// A row whose version grows by more than one.
#[derive(Debug)]
pub struct Stepped<T> {
    /// The row, with the version that was read.
    pub row: T,
    /// By how much its version grows.
    pub steps: i64,
}

/// A transition with its place among those of its pair.
#[derive(Debug)]
pub struct Ordered {
    /// The transition.
    pub event: Event,
    /// The pair's version that it makes.
    pub pair_version: i64,
}

/// Rows of one table.
#[derive(Debug)]
pub struct Split<T> {
    /// Not in the table yet.
    pub new: Vec<T>,
    /// In the table, to be replaced.
    pub old: Vec<T>,
}

impl<T> Default for Split<T> {
    fn default() -> Self {
        Self {
            new: Vec::new(),
            old: Vec::new(),
        }
    }
}

impl<T> Split<T> {
    fn len(&self) -> usize {
        self.new.len() + self.old.len()
    }
}

impl Rows {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.wanted() == 0 && self.members.is_empty() && self.erased.is_empty()
    }

    /// How many rows the guarded statement has to write.
    fn wanted(&self) -> i64 {
        let rows = self.accounts.len()
            + self.pairs.len()
            + self.sent.len()
            + self.received.len()
            + 2 * self.connected.len()
            + 2 * self.disconnected.len()
            + self.replies.len()
            + self.answers.len()
            + self.events.len()
            + self.audits.len();
        i64::try_from(rows).expect("a batch is small")
    }

    /// Whether there is more to do than to make new invitations.
    fn is_more_than_new(&self) -> bool {
        !self.connected.is_empty()
            || !self.disconnected.is_empty()
            || !self.replies.is_empty()
            || !self.audits.is_empty()
            || !self.sent.old.is_empty()
            || !self.received.old.is_empty()
            || !self.answers.old.is_empty()
            || self.pairs.iter().any(|pair| pair.row.version > 0)
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Stored answers of this time and before give way to new ones.
    pub forgotten_at: Timestamp,
    /// When members are forgotten.
    pub now: Timestamp,
    /// Whether transitions go into the feed.
    pub feeds: bool,
}

/// Writes all of `rows` or nothing. A version that is no longer the one read is a serialization failure (40001), a row
/// that somebody else made meanwhile a unique violation or 40001.
pub fn write(connection: &mut PgConnection, rows: &Rows, terms: Terms) -> QueryResult<()> {
    if rows.members.is_empty() && rows.erased.is_empty() {
        return guarded(connection, rows, terms);
    }
    connection.transaction(|connection| {
        // One that is both was forgotten first and is known anew.
        if !rows.erased.is_empty() {
            members::forget(connection, &rows.erased, terms.now)?;
        }
        if !rows.members.is_empty() {
            members::upsert(connection, &rows.members)?;
        }
        guarded(connection, rows, terms)
    })
}

fn guarded(connection: &mut PgConnection, rows: &Rows, terms: Terms) -> QueryResult<()> {
    if rows.wanted() == 0 {
        return Ok(());
    }
    let columns = Columns::new(rows, terms);
    if rows.is_more_than_new() {
        Statement::<true>(&columns).execute(connection)?;
    } else {
        Statement::<false>(&columns).execute(connection)?;
    }
    Ok(())
}

/// The rows as arrays.
struct Columns<'a> {
    wanted: i64,
    forgotten_at: Time,
    accounts: Accounts,
    new_pairs: Pairs,
    old_pairs: Pairs,
    new_sent: SentRows<'a>,
    old_sent: SentRows<'a>,
    new_received: ReceivedRows<'a>,
    old_received: ReceivedRows<'a>,
    connections: Connections,
    disconnections: Connections,
    replies: Replies<'a>,
    new_requests: Requests<'a>,
    old_requests: Requests<'a>,
    events: Events<'a>,
    audits: Audits<'a>,
}

impl<'a> Columns<'a> {
    fn new(rows: &'a Rows, terms: Terms) -> Self {
        let mut columns = Self {
            wanted: rows.wanted(),
            forgotten_at: time(terms.forgotten_at),
            accounts: Accounts::default(),
            new_pairs: Pairs::default(),
            old_pairs: Pairs::default(),
            new_sent: SentRows::default(),
            old_sent: SentRows::default(),
            new_received: ReceivedRows::default(),
            old_received: ReceivedRows::default(),
            connections: Connections::default(),
            disconnections: Connections::default(),
            replies: Replies::default(),
            new_requests: Requests::default(),
            old_requests: Requests::default(),
            events: Events::default(),
            audits: Audits::default(),
        };
        rows.accounts.iter().for_each(|row| columns.accounts.push(row));
        for row in &rows.pairs {
            if row.row.version > 0 {
                columns.old_pairs.push(row)
            } else {
                columns.new_pairs.push(row)
            }
        }
        rows.sent.new.iter().for_each(|row| columns.new_sent.push(row));
        rows.sent.old.iter().for_each(|row| columns.old_sent.push(row));
        rows.received
            .new
            .iter()
            .for_each(|row| columns.new_received.push(row));
        rows.received
            .old
            .iter()
            .for_each(|row| columns.old_received.push(row));
        rows.connected
            .iter()
            .for_each(|row| columns.connections.push(row));
        rows.answers
            .new
            .iter()
            .for_each(|row| columns.new_requests.push(row));
        rows.answers
            .old
            .iter()
            .for_each(|row| columns.old_requests.push(row));
        let feeds = terms.feeds;
        rows.events.iter().for_each(|row| columns.events.push(row, feeds));
        rows.disconnected
            .iter()
            .for_each(|row| columns.disconnections.push_end(row));
        rows.replies.iter().for_each(|row| columns.replies.push(row));
        rows.audits.iter().for_each(|row| columns.audits.push(row));
        columns
    }
}

/// The statement; `MORE` is whether it has the parts that new invitations do not need.
struct Statement<'a, const MORE: bool>(&'a Columns<'a>);

impl<const MORE: bool> QueryId for Statement<'_, MORE> {
    type QueryId = Statement<'static, MORE>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const MORE: bool> Query for Statement<'_, MORE> {
    type SqlType = ();
}

impl<const MORE: bool> RunQueryDsl<PgConnection> for Statement<'_, MORE> {}

impl<const MORE: bool> QueryFragment<Pg> for Statement<'_, MORE> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let columns = self.0;
        out.push_sql("WITH ");
        columns.accounts.walk(out.reborrow())?;
        out.push_sql(", ");
        if MORE {
            columns.old_pairs.update(out.reborrow())?;
            out.push_sql(", ");
        }
        columns.new_pairs.insert(out.reborrow())?;
        out.push_sql(", ");
        columns.new_sent.insert(out.reborrow())?;
        out.push_sql(", ");
        columns.new_received.insert(out.reborrow())?;
        out.push_sql(", ");
        columns.new_requests.insert(out.reborrow())?;
        out.push_sql(", ");
        columns.events.insert(out.reborrow())?;
        if MORE {
            out.push_sql(", ");
            columns.old_sent.update(out.reborrow())?;
            out.push_sql(", ");
            columns.old_received.update(out.reborrow())?;
            out.push_sql(", ");
            columns
                .old_requests
                .update(out.reborrow(), &columns.forgotten_at)?;
            out.push_sql(", ");
            columns.connections.insert(out.reborrow())?;
            out.push_sql(", ");
            columns.disconnections.delete(out.reborrow())?;
            out.push_sql(", ");
            columns.replies.insert(out.reborrow())?;
            out.push_sql(", ");
            columns.audits.insert(out.reborrow())?;
        }
        // The counts give the order of execution, and so of locks: accounts, old pairs, new pairs, as the locked redo
        // takes them. Connections go before new ones of the same members come.
        out.push_sql(" SELECT fence((SELECT count(*) FROM a)");
        if MORE {
            out.push_sql(" + (SELECT count(*) FROM pu)");
        }
        out.push_sql(
            " + (SELECT count(*) FROM p) + (SELECT count(*) FROM s) + (SELECT count(*) FROM r) \
             + (SELECT count(*) FROM q) + (SELECT count(*) FROM o)",
        );
        if MORE {
            out.push_sql(
                " + (SELECT count(*) FROM su) + (SELECT count(*) FROM ru) + (SELECT count(*) FROM qu) \
                 + (SELECT count(*) FROM cd) + (SELECT count(*) FROM c) + (SELECT count(*) FROM y) \
                 + (SELECT count(*) FROM t)",
            );
        }
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&columns.wanted)?;
        out.push_sql(")");
        Ok(())
    }
}

/// Pushes the rows of one table, `w`, from an array for each column. Postgres puts the values of each function that returns
/// a set into a table first, so there is one only.
macro_rules! rows {
    ($out:ident, $key:ident: $key_kind:ty => $keys:expr $(, $column:ident: $kind:ty => $values:expr)* $(,)?) => {
        $out.push_sql(concat!("(SELECT f.", stringify!($key)));
        $(
            $out.push_sql(", ");
            $out.push_bind_param::<Array<$kind>, _>($values)?;
            $out.push_sql(concat!("[f.n::int] AS ", stringify!($column)));
        )*
        $out.push_sql(" FROM unnest(");
        $out.push_bind_param::<Array<$key_kind>, _>($keys)?;
        $out.push_sql(concat!(") WITH ORDINALITY AS f(", stringify!($key), ", n)) AS w"));
    };
}

use rows;
