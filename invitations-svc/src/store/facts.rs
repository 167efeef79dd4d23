//! One read of every row that a batch of commands is judged by.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{
        Array, BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
    },
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    books,
    codec::{Time, impossible, outcome, policy, read_count, restriction, time, times_from_bytes},
    prepared::prepared,
};
use crate::domain::{
    account::{Account, Restriction},
    command::{Named, RequestKey},
    invitation::Invitation,
    member::Addressee,
    pair::{Open, Pair, PairKey, Side},
    request::StoredAnswer,
    time_log::TimeLog,
};

/// What one command is about.
#[derive(Debug, Clone, Copy)]
pub struct FactKey<'a> {
    /// The member who acts.
    pub actor: Uuid,
    /// The other member, where the command names one.
    pub other: Option<Uuid>,
    /// The invitation in one of the actor's books, where the command names one.
    pub named: Option<Named>,
    /// What makes the command repeatable.
    pub request: Option<&'a RequestKey>,
}

/// When and for which limit the facts are read.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Invitations whose time came before this are overdue.
    pub now: Timestamp,
    /// Overdue invitations are counted where they can make a difference: where as many are pending, those of all keys of
    /// the same actor included.
    pub quota_outstanding: usize,
}

/// What there is for one command; nothing for rows that do not exist.
#[derive(Debug, Default)]
pub struct Facts {
    /// The answer to an earlier call of this request.
    pub answered: Option<StoredAnswer>,
    /// The other member that the command names.
    pub addressee: Option<Addressee>,
    /// The actor's account; every member has one.
    pub account: Option<Account>,
    /// The other member's account, unless it is a send between two who have no invitation.
    pub theirs: Option<Account>,
    /// The pair of the actor and the other member, named or found through the invitation.
    pub pair: Option<Pair>,
    /// The invitation that the command names, or else the one that is open between the two.
    pub invitation: Option<Invitation>,
}

/// Reads the facts of each key, in the order of the keys.
pub fn facts(connection: &mut PgConnection, keys: &[FactKey], asked: Asked) -> QueryResult<Vec<Facts>> {
    let named = |key: &FactKey| match key.named {
        Some(Named::Received(id)) => (Some(id), None),
        Some(Named::Sent(id)) => (None, Some(id)),
        None => (None, None),
    };
    let (received, sent) = keys.iter().map(named).unzip();
    let request = |key: &FactKey| key.request.map(|request| request.request_id);
    let counted_from = asked
        .quota_outstanding
        .saturating_sub(most_of_one_actor(keys) - 1);
    let statement = Statement {
        actors: keys.iter().map(|key| key.actor).collect(),
        others: keys.iter().map(|key| key.other).collect(),
        received,
        sent,
        request_ids: keys.iter().map(request).collect(),
        clients: keys
            .iter()
            .map(|key| key.request.map(|request| &*request.client))
            .collect(),
        now: time(asked.now),
        counted_from: i32::try_from(counted_from).unwrap_or(i32::MAX),
    };
    let mut found: Vec<Facts> = keys.iter().map(|_| Facts::default()).collect();
    for row in statement.load::<Row>(connection)? {
        let at = usize::try_from(row.0 - 1).map_err(|_| impossible("ord"))?;
        let (key, place) = keys
            .get(at)
            .zip(found.get_mut(at))
            .ok_or_else(|| impossible("ord"))?;
        *place = read(key, row)?;
    }
    Ok(found)
}

struct Statement<'a> {
    actors: Vec<Uuid>,
    others: Vec<Option<Uuid>>,
    received: Vec<Option<Uuid>>,
    sent: Vec<Option<Uuid>>,
    request_ids: Vec<Option<Uuid>>,
    clients: Vec<Option<&'a str>>,
    now: Time,
    counted_from: i32,
}

/// How many of the keys have the same actor, at most; at least 1.
fn most_of_one_actor(keys: &[FactKey]) -> usize {
    let mut actors: Vec<Uuid> = keys.iter().map(|key| key.actor).collect();
    actors.sort_unstable();
    actors.chunk_by(Uuid::eq).map(<[Uuid]>::len).max().unwrap_or(1)
}

/// Columns of `account`, as [`AccountRow`] reads them.
type AccountColumns = (
    Nullable<SqlUuid>,
    Nullable<BigInt>,
    Nullable<Bool>,
    Nullable<Binary>,
    Nullable<Integer>,
    Nullable<Integer>,
    Nullable<Integer>,
    Nullable<Integer>,
    Nullable<Binary>,
    Nullable<SmallInt>,
    Nullable<SmallInt>,
    Nullable<Timestamptz>,
);

/// Columns of one side of `pair`, as [`SideRow`] reads them.
type SideColumns = (
    Nullable<Binary>,
    Nullable<Bool>,
    Nullable<Timestamptz>,
    Nullable<Bool>,
);

prepared!(
    Statement,
    (
        BigInt,
        // request
        (
            Nullable<Binary>,
            Nullable<SmallInt>,
            Nullable<SqlUuid>,
            Nullable<Timestamptz>,
            Nullable<Timestamptz>,
            Nullable<Binary>,
        ),
        // the other member
        (Nullable<SmallInt>, Nullable<Text>),
        AccountColumns,
        Nullable<BigInt>,
        AccountColumns,
        // pair
        (
            Nullable<SqlUuid>,
            Nullable<SqlUuid>,
            Nullable<BigInt>,
            Nullable<Timestamptz>,
            Nullable<SqlUuid>,
            Nullable<Bool>,
            Nullable<Timestamptz>,
        ),
        SideColumns,
        SideColumns,
        // sent
        (
            Nullable<Text>,
            Nullable<SmallInt>,
            Nullable<Timestamptz>,
            Nullable<Timestamptz>,
            Nullable<Timestamptz>,
        ),
        // received
        (
            Nullable<SqlUuid>,
            Nullable<SqlUuid>,
            Nullable<SqlUuid>,
            Nullable<Text>,
            Nullable<SmallInt>,
            Nullable<SmallInt>,
            Nullable<BigInt>,
            Nullable<Timestamptz>,
            Nullable<Timestamptz>,
            Nullable<Timestamptz>,
            Nullable<Timestamptz>,
            Nullable<Bool>,
            Nullable<SmallInt>,
            Nullable<SmallInt>,
            Nullable<Timestamptz>,
        ),
    )
);

type Row = (
    i64,
    RequestRow,
    (Option<i16>, Option<String>),
    AccountRow,
    Option<i64>,
    AccountRow,
    PairRow,
    SideRow,
    SideRow,
    SentRow,
    ReceivedRow,
);
type RequestRow = (
    Option<Vec<u8>>,
    Option<i16>,
    Option<Uuid>,
    Option<Time>,
    Option<Time>,
    Option<Vec<u8>>,
);
type AccountRow = (
    Option<Uuid>,
    Option<i64>,
    Option<bool>,
    Option<Vec<u8>>,
    Option<i32>,
    Option<i32>,
    Option<i32>,
    Option<i32>,
    Option<Vec<u8>>,
    Option<i16>,
    Option<i16>,
    Option<Time>,
);
type PairRow = (
    Option<Uuid>,
    Option<Uuid>,
    Option<i64>,
    Option<Time>,
    Option<Uuid>,
    Option<bool>,
    Option<Time>,
);
type SideRow = (Option<Vec<u8>>, Option<bool>, Option<Time>, Option<bool>);
type SentRow = (
    Option<String>,
    Option<i16>,
    Option<Time>,
    Option<Time>,
    Option<Time>,
);
type ReceivedRow = (
    Option<Uuid>,
    Option<Uuid>,
    Option<Uuid>,
    Option<String>,
    Option<i16>,
    Option<i16>,
    Option<i64>,
    Option<Time>,
    Option<Time>,
    Option<Time>,
    Option<Time>,
    Option<bool>,
    Option<i16>,
    Option<i16>,
    Option<Time>,
);

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT k.ord, q.fingerprint, q.outcome, q.subject, q.decided_at, q.until, q.snapshot, \
             mo.invitation_policy, mo.email, \
             a.member_id, a.version, a.erased, a.sends, a.lifetime_sends, a.granted, a.outstanding, a.connections, \
             a.strikes, a.ladder_step, a.restriction, a.restricted_until, \
             CASE WHEN a.outstanding >= ",
        );
        out.push_bind_param::<Integer, _>(&self.counted_from)?;
        out.push_sql(
            " THEN (SELECT count(*) FROM sent o WHERE o.inviter_id = k.actor AND o.lifecycle = 1 AND o.expires_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(
            ") END, \
             b.member_id, b.version, b.erased, b.sends, b.lifetime_sends, b.granted, b.outstanding, b.connections, \
             b.strikes, b.ladder_step, b.restriction, b.restricted_until, \
             p.lo, p.hi, p.version, p.connected_at, p.open_id, p.open_from_lo, p.open_until, \
             p.lo_sends, p.lo_barred, p.lo_struck_at, p.lo_email_required, \
             p.hi_sends, p.hi_barred, p.hi_struck_at, p.hi_email_required, \
             s.note, s.lifecycle, s.sent_at, s.expires_at, s.closed_at, \
             r.recipient_id, r.id, r.inviter_id, r.note, r.lifecycle, r.folder, r.sequence, r.sent_at, r.expires_at, \
             r.closed_at, r.emailed_at, r.reminders, r.reminders_left, r.replies, r.due_at \
             FROM (SELECT f.actor, f.n AS ord",
        );
        for (ids, name) in [
            (&self.others, "other"),
            (&self.received, "received_id"),
            (&self.sent, "sent_id"),
            (&self.request_ids, "request_id"),
        ] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Nullable<SqlUuid>>, _>(ids)?;
            out.push_sql("[f.n::int] AS ");
            out.push_sql(name);
        }
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.clients)?;
        out.push_sql("[f.n::int] AS client FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.actors)?;
        // OFFSET 0 takes each value out of its array once, however often it is used.
        // `n` and `m` find the other member of a named invitation; `r` and `s` are the invitation in both books.
        out.push_sql(
            ") WITH ORDINALITY AS f(actor, n) OFFSET 0) AS k \
             LEFT JOIN request q ON q.request_id = k.request_id AND q.client = k.client \
             LEFT JOIN received n ON n.recipient_id = k.actor AND n.id = k.received_id \
             LEFT JOIN sent m ON m.inviter_id = k.actor AND m.id = k.sent_id \
             LEFT JOIN member mo ON mo.member_id = k.other \
             LEFT JOIN account a ON a.member_id = k.actor \
             LEFT JOIN pair p ON p.lo = least(k.actor, coalesce(k.other, n.inviter_id, m.recipient_id)) \
                             AND p.hi = greatest(k.actor, coalesce(k.other, n.inviter_id, m.recipient_id)) \
             LEFT JOIN account b ON b.member_id = CASE WHEN k.other IS NULL THEN coalesce(n.inviter_id, m.recipient_id) \
                                                       WHEN p.open_id IS NOT NULL OR p.connected_at IS NOT NULL \
                                                            THEN k.other END \
             LEFT JOIN received r \
                    ON r.recipient_id = CASE WHEN k.received_id IS NOT NULL THEN k.actor \
                                             WHEN k.sent_id IS NOT NULL THEN m.recipient_id \
                                             WHEN p.open_from_lo THEN p.hi ELSE p.lo END \
                   AND r.id = coalesce(k.received_id, k.sent_id, p.open_id) \
             LEFT JOIN sent s ON s.inviter_id = r.inviter_id AND s.id = r.id",
        );
        Ok(())
    }
}

fn read(key: &FactKey, row: Row) -> QueryResult<Facts> {
    let (_, request, other, account, overdue, theirs, pair, lo, hi, sent, received) = row;
    let mut account = read_account(account)?;
    if let (Some(account), Some(overdue)) = (&mut account, overdue) {
        account.overdue = read_count(overdue, "overdue")?;
    }
    Ok(Facts {
        answered: read_answer(key, request)?,
        addressee: match other {
            (Some(code), Some(email)) => Some(Addressee {
                policy: policy(code)?,
                email,
            }),
            _ => None,
        },
        account,
        theirs: read_account(theirs)?,
        pair: read_pair(pair, lo, hi)?,
        invitation: read_invitation(sent, received)?,
    })
}

fn read_answer(key: &FactKey, row: RequestRow) -> QueryResult<Option<StoredAnswer>> {
    let (Some(fingerprint), Some(code), subject, Some(decided_at), until, snapshot) = row else {
        return Ok(None);
    };
    let asked = key.request.ok_or_else(|| impossible("request_id"))?;
    let fingerprint = fingerprint.try_into().map_err(|_| impossible("fingerprint"))?;
    Ok(Some(StoredAnswer {
        key: RequestKey {
            fingerprint,
            ..asked.clone()
        },
        outcome: outcome(code, subject, until.map(Time::to_jiff), snapshot.as_deref())?,
        decided_at: decided_at.to_jiff(),
    }))
}

fn read_account(row: AccountRow) -> QueryResult<Option<Account>> {
    let (
        Some(member_id),
        Some(version),
        Some(erased),
        Some(sends),
        Some(lifetime_sends),
        Some(granted),
        Some(outstanding),
        Some(connections),
        Some(strikes),
        Some(ladder_step),
        kind,
        until,
    ) = row
    else {
        return Ok(None);
    };
    let restriction = match kind {
        Some(code) => Some(Restriction {
            kind: restriction(code)?,
            until: until.map(Time::to_jiff),
        }),
        None => None,
    };
    Ok(Some(Account {
        member_id,
        version,
        erased,
        sends: times_from_bytes(&sends)?,
        lifetime_sends: read_count(lifetime_sends, "lifetime_sends")?,
        granted: read_count(granted, "granted")?,
        outstanding: read_count(outstanding, "outstanding")?,
        overdue: 0,
        connections: read_count(connections, "connections")?,
        strikes: times_from_bytes(&strikes)?,
        ladder_step: read_count(ladder_step, "ladder_step")?,
        restriction,
    }))
}

fn read_pair(row: PairRow, lo_side: SideRow, hi_side: SideRow) -> QueryResult<Option<Pair>> {
    let (Some(lo), Some(hi), Some(version), connected_at, open_id, from_lo, until) = row else {
        return Ok(None);
    };
    let open = match (open_id, from_lo, until) {
        (Some(id), Some(from_lo), Some(until)) => Some(Open {
            id,
            inviter_id: if from_lo { lo } else { hi },
            until: until.to_jiff(),
        }),
        _ => None,
    };
    Ok(Some(Pair {
        key: PairKey { lo, hi },
        version,
        connected_at: connected_at.map(Time::to_jiff),
        open,
        lo: read_side(lo_side)?,
        hi: read_side(hi_side)?,
    }))
}

fn read_side((sends, barred, struck_at, email_required): SideRow) -> QueryResult<Side> {
    Ok(Side {
        sends: sends.map_or(Ok(TimeLog::default()), |bytes| times_from_bytes(&bytes))?,
        barred: barred.unwrap_or_default(),
        struck_at: struck_at.map(Time::to_jiff),
        email_required: email_required.unwrap_or_default(),
    })
}

fn read_invitation(sent: SentRow, received: ReceivedRow) -> QueryResult<Option<Invitation>> {
    let (
        Some(recipient_id),
        Some(id),
        Some(inviter_id),
        Some(note),
        Some(lifecycle),
        Some(folder),
        Some(sequence),
        Some(sent_at),
        Some(expires_at),
        closed_at,
        Some(emailed_at),
        Some(reminders),
        Some(reminders_left),
        Some(replies),
        due_at,
    ) = received
    else {
        return Ok(None);
    };
    let received = books::read_received((
        recipient_id,
        id,
        inviter_id,
        note,
        lifecycle,
        folder,
        sequence,
        sent_at,
        expires_at,
        closed_at,
        emailed_at,
        reminders,
        reminders_left,
        replies,
        due_at,
    ))?;
    let (Some(note), Some(lifecycle), Some(sent_at), Some(expires_at), closed_at) = sent else {
        return Err(impossible("sent"));
    };
    let sent = books::read_sent((
        inviter_id,
        id,
        recipient_id,
        note,
        lifecycle,
        sent_at,
        expires_at,
        closed_at,
    ))?;
    Ok(Some(Invitation { sent, received }))
}
