//! One write of everything that a batch of commands changes, guarded by the versions it was judged by.

use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{
        Array, BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
    },
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    codec::{
        Time, event_code, folder_code, lifecycle_code, optional_time, outcome_code, sends_to_bytes, time,
    },
    members,
    outbox::lane,
    prepared::prepared,
};
use crate::domain::{
    account::Account,
    invitation::{Received, Sent},
    member::Member,
    pair::Pair,
    request::{Outcome, StoredAnswer},
    transition::{Connected, Event},
};

/// Rows to write, one list a table, one row a key, in the order of the keys.
#[derive(Debug, Default)]
pub struct Rows {
    /// With the versions that were read.
    pub accounts: Vec<Account>,
    /// With the versions that were read.
    pub pairs: Vec<Pair>,
    /// The inviters' books.
    pub sent: Vec<Sent>,
    /// The recipients' books.
    pub received: Vec<Received>,
    /// Each becomes two rows.
    pub connected: Vec<Connected>,
    /// First answers.
    pub answers: Vec<StoredAnswer>,
    /// Transitions that owe emails.
    pub events: Vec<Event>,
    /// Members told of.
    pub members: Vec<Member>,
}

impl Rows {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.wanted() == 0 && self.members.is_empty()
    }

    /// How many rows the guarded statement has to write.
    fn wanted(&self) -> i64 {
        let rows = self.accounts.len()
            + self.pairs.len()
            + self.sent.len()
            + self.received.len()
            + 2 * self.connected.len()
            + self.answers.len()
            + self.events.len();
        i64::try_from(rows).expect("a batch is small")
    }
}

/// Writes all of `rows` or nothing. A version that is no longer the one read, or an answer that somebody else stored
/// meanwhile, is a serialization failure (40001). Stored answers of `forgotten_at` and before give way to new ones.
pub fn write(connection: &mut PgConnection, rows: &Rows, forgotten_at: Timestamp) -> QueryResult<()> {
    if rows.members.is_empty() {
        return guarded(connection, rows, forgotten_at);
    }
    connection.transaction(|connection| {
        members::upsert(connection, &rows.members)?;
        guarded(connection, rows, forgotten_at)
    })
}

fn guarded(connection: &mut PgConnection, rows: &Rows, forgotten_at: Timestamp) -> QueryResult<()> {
    if rows.wanted() == 0 {
        return Ok(());
    }
    Statement::new(rows, forgotten_at).execute(connection).map(|_| ())
}

struct Statement<'a> {
    wanted: i64,
    account: AccountColumns,
    pair: PairColumns,
    sent: SentColumns<'a>,
    received: ReceivedColumns<'a>,
    connection: ConnectionColumns,
    request: RequestColumns<'a>,
    /// Stored answers of this time and before give way to new ones.
    forgotten_at: Time,
    outbox: OutboxColumns<'a>,
}

prepared!(Statement, ());

#[derive(Default)]
struct AccountColumns {
    member_id: Vec<Uuid>,
    version: Vec<i64>,
    sends: Vec<Vec<u8>>,
    lifetime_sends: Vec<i32>,
}

#[derive(Default)]
struct PairColumns {
    lo: Vec<Uuid>,
    hi: Vec<Uuid>,
    version: Vec<i64>,
    connected_at: Vec<Option<Time>>,
    open_id: Vec<Option<Uuid>>,
    open_from_lo: Vec<Option<bool>>,
    open_until: Vec<Option<Time>>,
    lo_sends: Vec<Vec<u8>>,
    hi_sends: Vec<Vec<u8>>,
}

#[derive(Default)]
struct SentColumns<'a> {
    inviter_id: Vec<Uuid>,
    id: Vec<Uuid>,
    recipient_id: Vec<Uuid>,
    note: Vec<&'a str>,
    lifecycle: Vec<i16>,
    sent_at: Vec<Time>,
    expires_at: Vec<Time>,
    accepted_at: Vec<Option<Time>>,
}

#[derive(Default)]
struct ReceivedColumns<'a> {
    recipient_id: Vec<Uuid>,
    id: Vec<Uuid>,
    inviter_id: Vec<Uuid>,
    note: Vec<&'a str>,
    lifecycle: Vec<i16>,
    folder: Vec<i16>,
    sequence: Vec<i64>,
    sent_at: Vec<Time>,
    expires_at: Vec<Time>,
    accepted_at: Vec<Option<Time>>,
    emailed_at: Vec<Time>,
    reminders: Vec<bool>,
}

#[derive(Default)]
struct ConnectionColumns {
    member_id: Vec<Uuid>,
    other_id: Vec<Uuid>,
    connected_at: Vec<Time>,
}

#[derive(Default)]
struct RequestColumns<'a> {
    request_id: Vec<Uuid>,
    client: Vec<&'a str>,
    fingerprint: Vec<&'a [u8]>,
    outcome: Vec<i16>,
    subject: Vec<Option<Uuid>>,
    decided_at: Vec<Time>,
    until: Vec<Option<Time>>,
}

#[derive(Default)]
struct OutboxColumns<'a> {
    lane: Vec<i16>,
    invitation_id: Vec<Uuid>,
    sequence: Vec<i64>,
    event: Vec<i16>,
    inviter_id: Vec<Uuid>,
    recipient_id: Vec<Uuid>,
    note: Vec<&'a str>,
    happened_at: Vec<Time>,
}

impl<'a> Statement<'a> {
    fn new(rows: &'a Rows, forgotten_at: Timestamp) -> Self {
        let mut statement = Self {
            wanted: rows.wanted(),
            account: AccountColumns::default(),
            pair: PairColumns::default(),
            sent: SentColumns::default(),
            received: ReceivedColumns::default(),
            connection: ConnectionColumns::default(),
            request: RequestColumns::default(),
            forgotten_at: time(forgotten_at),
            outbox: OutboxColumns::default(),
        };
        rows.accounts.iter().for_each(|row| statement.account.push(row));
        rows.pairs.iter().for_each(|row| statement.pair.push(row));
        rows.sent.iter().for_each(|row| statement.sent.push(row));
        rows.received.iter().for_each(|row| statement.received.push(row));
        rows.connected
            .iter()
            .for_each(|row| statement.connection.push(row));
        rows.answers.iter().for_each(|row| statement.request.push(row));
        rows.events.iter().for_each(|row| statement.outbox.push(row));
        statement
    }
}

impl AccountColumns {
    fn push(&mut self, account: &Account) {
        self.member_id.push(account.member_id);
        self.version.push(account.version);
        self.sends.push(sends_to_bytes(&account.sends));
        self.lifetime_sends
            .push(i32::try_from(account.lifetime_sends).unwrap_or(i32::MAX));
    }
}

impl PairColumns {
    fn push(&mut self, pair: &Pair) {
        self.lo.push(pair.key.lo);
        self.hi.push(pair.key.hi);
        self.version.push(pair.version);
        self.connected_at.push(optional_time(pair.connected_at));
        self.open_id.push(pair.open.map(|open| open.id));
        self.open_from_lo
            .push(pair.open.map(|open| open.inviter_id == pair.key.lo));
        self.open_until.push(pair.open.map(|open| time(open.until)));
        self.lo_sends.push(sends_to_bytes(&pair.lo_sends));
        self.hi_sends.push(sends_to_bytes(&pair.hi_sends));
    }
}

impl<'a> SentColumns<'a> {
    fn push(&mut self, sent: &'a Sent) {
        self.inviter_id.push(sent.inviter_id);
        self.id.push(sent.id);
        self.recipient_id.push(sent.recipient_id);
        self.note.push(&sent.note);
        self.lifecycle.push(lifecycle_code(sent.lifecycle));
        self.sent_at.push(time(sent.sent_at));
        self.expires_at.push(time(sent.expires_at));
        self.accepted_at.push(optional_time(sent.accepted_at));
    }
}

impl<'a> ReceivedColumns<'a> {
    fn push(&mut self, received: &'a Received) {
        self.recipient_id.push(received.recipient_id);
        self.id.push(received.id);
        self.inviter_id.push(received.inviter_id);
        self.note.push(&received.note);
        self.lifecycle.push(lifecycle_code(received.lifecycle));
        self.folder.push(folder_code(received.folder));
        self.sequence.push(received.sequence);
        self.sent_at.push(time(received.sent_at));
        self.expires_at.push(time(received.expires_at));
        self.accepted_at.push(optional_time(received.accepted_at));
        self.emailed_at.push(time(received.emailed_at));
        self.reminders.push(received.reminders);
    }
}

impl ConnectionColumns {
    fn push(&mut self, connected: &Connected) {
        let ends = [
            (connected.inviter_id, connected.recipient_id),
            (connected.recipient_id, connected.inviter_id),
        ];
        for (member_id, other_id) in ends {
            self.member_id.push(member_id);
            self.other_id.push(other_id);
            self.connected_at.push(time(connected.at));
        }
    }
}

impl<'a> RequestColumns<'a> {
    fn push(&mut self, answer: &'a StoredAnswer) {
        let (subject, until) = match answer.outcome {
            Outcome::Sent { id, until } => (Some(id), Some(until)),
            Outcome::Connected | Outcome::Accepted | Outcome::Upserted | Outcome::Refused(_) => (None, None),
        };
        self.request_id.push(answer.key.request_id);
        self.client.push(&answer.key.client);
        self.fingerprint.push(&answer.key.fingerprint);
        self.outcome.push(outcome_code(answer.outcome));
        self.subject.push(subject);
        self.decided_at.push(time(answer.decided_at));
        self.until.push(optional_time(until));
    }
}

impl<'a> OutboxColumns<'a> {
    fn push(&mut self, event: &'a Event) {
        self.lane.push(lane(event.invitation_id));
        self.invitation_id.push(event.invitation_id);
        self.sequence.push(event.sequence);
        self.event.push(event_code(event.kind));
        self.inviter_id.push(event.inviter_id);
        self.recipient_id.push(event.recipient_id);
        self.note.push(&event.note);
        self.happened_at.push(time(event.happened_at));
    }
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH ");
        self.account.walk(out.reborrow())?;
        out.push_sql(", ");
        self.pair.walk(out.reborrow())?;
        out.push_sql(", ");
        self.sent.walk(out.reborrow())?;
        out.push_sql(", ");
        self.received.walk(out.reborrow())?;
        out.push_sql(", ");
        self.connection.walk(out.reborrow())?;
        out.push_sql(", ");
        self.request.walk(out.reborrow(), &self.forgotten_at)?;
        out.push_sql(", ");
        self.outbox.walk(out.reborrow())?;
        out.push_sql(
            " SELECT fence((SELECT count(*) FROM a) + (SELECT count(*) FROM p) + (SELECT count(*) FROM s) \
             + (SELECT count(*) FROM r) + (SELECT count(*) FROM c) + (SELECT count(*) FROM q) \
             + (SELECT count(*) FROM o), ",
        );
        out.push_bind_param::<BigInt, _>(&self.wanted)?;
        out.push_sql(")");
        Ok(())
    }
}

/// Pushes the arrays of one table, separated by commas.
macro_rules! columns {
    ($out:ident, $first:ty => $first_value:expr $(, $kind:ty => $value:expr)* $(,)?) => {
        $out.push_bind_param::<Array<$first>, _>($first_value)?;
        $(
            $out.push_sql(", ");
            $out.push_bind_param::<Array<$kind>, _>($value)?;
        )*
    };
}

impl AccountColumns {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "a AS (INSERT INTO account (member_id, version, sends, lifetime_sends) \
             SELECT w.member_id, w.version + 1, w.sends, w.lifetime_sends FROM unnest(",
        );
        columns!(out, SqlUuid => &self.member_id, BigInt => &self.version, Binary => &self.sends,
            Integer => &self.lifetime_sends);
        out.push_sql(
            ") AS w(member_id, version, sends, lifetime_sends) \
             ON CONFLICT (member_id) DO UPDATE SET version = excluded.version, sends = excluded.sends, \
             lifetime_sends = excluded.lifetime_sends WHERE account.version = excluded.version - 1 RETURNING 1)",
        );
        Ok(())
    }
}

impl PairColumns {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "p AS (INSERT INTO pair (lo, hi, version, connected_at, open_id, open_from_lo, open_until, lo_sends, hi_sends) \
             SELECT w.lo, w.hi, w.version + 1, w.connected_at, w.open_id, w.open_from_lo, w.open_until, w.lo_sends, \
             w.hi_sends FROM unnest(",
        );
        columns!(out, SqlUuid => &self.lo, SqlUuid => &self.hi, BigInt => &self.version,
            Nullable<Timestamptz> => &self.connected_at, Nullable<SqlUuid> => &self.open_id,
            Nullable<Bool> => &self.open_from_lo, Nullable<Timestamptz> => &self.open_until,
            Binary => &self.lo_sends, Binary => &self.hi_sends);
        out.push_sql(
            ") AS w(lo, hi, version, connected_at, open_id, open_from_lo, open_until, lo_sends, hi_sends) \
             ON CONFLICT (lo, hi) DO UPDATE SET version = excluded.version, connected_at = excluded.connected_at, \
             open_id = excluded.open_id, open_from_lo = excluded.open_from_lo, open_until = excluded.open_until, \
             lo_sends = excluded.lo_sends, hi_sends = excluded.hi_sends \
             WHERE pair.version = excluded.version - 1 RETURNING 1)",
        );
        Ok(())
    }
}

impl SentColumns<'_> {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "s AS (INSERT INTO sent (inviter_id, id, recipient_id, note, lifecycle, sent_at, expires_at, accepted_at) \
             SELECT * FROM unnest(",
        );
        columns!(out, SqlUuid => &self.inviter_id, SqlUuid => &self.id, SqlUuid => &self.recipient_id,
            Text => &self.note, SmallInt => &self.lifecycle, Timestamptz => &self.sent_at,
            Timestamptz => &self.expires_at, Nullable<Timestamptz> => &self.accepted_at);
        out.push_sql(
            ") ON CONFLICT (inviter_id, id) DO UPDATE SET note = excluded.note, lifecycle = excluded.lifecycle, \
             sent_at = excluded.sent_at, expires_at = excluded.expires_at, accepted_at = excluded.accepted_at \
             RETURNING 1)",
        );
        Ok(())
    }
}

impl ReceivedColumns<'_> {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "r AS (INSERT INTO received (recipient_id, id, inviter_id, note, lifecycle, folder, sequence, sent_at, \
             expires_at, accepted_at, emailed_at, reminders) SELECT * FROM unnest(",
        );
        columns!(out, SqlUuid => &self.recipient_id, SqlUuid => &self.id, SqlUuid => &self.inviter_id,
            Text => &self.note, SmallInt => &self.lifecycle, SmallInt => &self.folder, BigInt => &self.sequence,
            Timestamptz => &self.sent_at, Timestamptz => &self.expires_at,
            Nullable<Timestamptz> => &self.accepted_at, Timestamptz => &self.emailed_at, Bool => &self.reminders);
        out.push_sql(
            ") ON CONFLICT (recipient_id, id) DO UPDATE SET note = excluded.note, lifecycle = excluded.lifecycle, \
             folder = excluded.folder, sequence = excluded.sequence, sent_at = excluded.sent_at, \
             expires_at = excluded.expires_at, accepted_at = excluded.accepted_at, \
             emailed_at = excluded.emailed_at, reminders = excluded.reminders RETURNING 1)",
        );
        Ok(())
    }
}

impl ConnectionColumns {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "c AS (INSERT INTO connection (member_id, other_id, connected_at) SELECT * FROM unnest(",
        );
        columns!(out, SqlUuid => &self.member_id, SqlUuid => &self.other_id, Timestamptz => &self.connected_at);
        out.push_sql(") RETURNING 1)");
        Ok(())
    }
}

impl RequestColumns<'_> {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>, forgotten_at: &'b Time) -> QueryResult<()> {
        out.push_sql(
            "q AS (INSERT INTO request AS old (request_id, client, fingerprint, outcome, subject, decided_at, until) \
             SELECT w.request_id, w.client, w.fingerprint, w.outcome, w.subject, w.decided_at, w.until FROM unnest(",
        );
        columns!(out, SqlUuid => &self.request_id, Text => &self.client, Binary => &self.fingerprint,
            SmallInt => &self.outcome, Nullable<SqlUuid> => &self.subject, Timestamptz => &self.decided_at,
            Nullable<Timestamptz> => &self.until);
        out.push_sql(
            ") AS w(request_id, client, fingerprint, outcome, subject, decided_at, until) \
             ON CONFLICT (request_id, client) DO UPDATE SET fingerprint = excluded.fingerprint, \
             outcome = excluded.outcome, subject = excluded.subject, decided_at = excluded.decided_at, \
             until = excluded.until WHERE old.decided_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(forgotten_at)?;
        out.push_sql(" RETURNING 1)");
        Ok(())
    }
}

impl OutboxColumns<'_> {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "o AS (INSERT INTO outbox (lane, invitation_id, sequence, event, inviter_id, recipient_id, note, \
             happened_at, due_at) SELECT w.*, w.happened_at FROM unnest(",
        );
        columns!(out, SmallInt => &self.lane, SqlUuid => &self.invitation_id, BigInt => &self.sequence,
            SmallInt => &self.event, SqlUuid => &self.inviter_id, SqlUuid => &self.recipient_id,
            Text => &self.note, Timestamptz => &self.happened_at);
        out.push_sql(
            ") AS w(lane, invitation_id, sequence, event, inviter_id, recipient_id, note, happened_at) RETURNING 1)",
        );
        Ok(())
    }
}
