//! One read of every row that a batch of commands is judged by.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{
        Array, BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
    },
};
use uuid::Uuid;

use super::{
    books,
    codec::{Time, impossible, outcome, policy, sends_from_bytes},
    prepared::prepared,
};
use crate::domain::{
    account::Account,
    command::RequestKey,
    invitation::Received,
    member::{Addressee, InvitationPolicy},
    pair::{Open, Pair, PairKey},
    request::StoredAnswer,
};

/// What one command is about.
#[derive(Debug, Clone, Copy)]
pub struct FactKey<'a> {
    /// The member who acts.
    pub actor: Uuid,
    /// The other member, where the command names one.
    pub other: Option<Uuid>,
    /// The invitation in the actor's received book, where the command names one.
    pub invitation: Option<Uuid>,
    /// What makes the command repeatable.
    pub request: Option<&'a RequestKey>,
}

/// What there is for one command; nothing for rows that do not exist.
#[derive(Debug, Default)]
pub struct Facts {
    /// The answer to an earlier call of this request.
    pub answered: Option<StoredAnswer>,
    /// The other member that the command names.
    pub other: Option<Addressee>,
    /// The actor's account; every member has one.
    pub account: Option<Account>,
    /// The pair of the actor and the other member, named or found through the invitation.
    pub pair: Option<Pair>,
    /// The invitation that the command names, or else the one that is open between the two.
    pub received: Option<Received>,
}

/// Reads the facts of each key, in the order of the keys.
pub fn facts(connection: &mut PgConnection, keys: &[FactKey]) -> QueryResult<Vec<Facts>> {
    let statement = Statement {
        actors: keys.iter().map(|key| key.actor).collect(),
        others: keys.iter().map(|key| key.other).collect(),
        invitations: keys.iter().map(|key| key.invitation).collect(),
        request_ids: keys
            .iter()
            .map(|key| key.request.map(|request| request.request_id))
            .collect(),
        clients: keys
            .iter()
            .map(|key| key.request.map(|request| &*request.client))
            .collect(),
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
    invitations: Vec<Option<Uuid>>,
    request_ids: Vec<Option<Uuid>>,
    clients: Vec<Option<&'a str>>,
}

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
            Nullable<Timestamptz>
        ),
        // the other member
        (Nullable<SmallInt>, Nullable<Text>),
        // account
        (Nullable<BigInt>, Nullable<Binary>, Nullable<Integer>),
        // pair
        (
            Nullable<SqlUuid>,
            Nullable<SqlUuid>,
            Nullable<BigInt>,
            Nullable<Timestamptz>,
            Nullable<SqlUuid>,
            Nullable<Bool>,
            Nullable<Timestamptz>,
            Nullable<Binary>,
            Nullable<Binary>,
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
        ),
    )
);

type Row = (i64, RequestRow, MemberRow, AccountRow, PairRow, ReceivedRow);
type RequestRow = (
    Option<Vec<u8>>,
    Option<i16>,
    Option<Uuid>,
    Option<Time>,
    Option<Time>,
);
type MemberRow = (Option<i16>, Option<String>);
type AccountRow = (Option<i64>, Option<Vec<u8>>, Option<i32>);
type PairRow = (
    Option<Uuid>,
    Option<Uuid>,
    Option<i64>,
    Option<Time>,
    Option<Uuid>,
    Option<bool>,
    Option<Time>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
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
);

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT k.ord, q.fingerprint, q.outcome, q.subject, q.decided_at, q.until, \
             mo.invitation_policy, CASE WHEN mo.invitation_policy = 2 THEN mo.email END, \
             a.version, a.sends, a.lifetime_sends, \
             p.lo, p.hi, p.version, p.connected_at, p.open_id, p.open_from_lo, p.open_until, p.lo_sends, p.hi_sends, \
             r.recipient_id, r.id, r.inviter_id, r.note, r.lifecycle, r.folder, r.sequence, r.sent_at, r.expires_at, \
             r.accepted_at, r.emailed_at, r.reminders \
             FROM unnest(",
        );
        out.push_bind_param::<Array<SqlUuid>, _>(&self.actors)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<SqlUuid>>, _>(&self.others)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<SqlUuid>>, _>(&self.invitations)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<SqlUuid>>, _>(&self.request_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.clients)?;
        out.push_sql(
            ") WITH ORDINALITY AS k(actor, other, invitation, request_id, client, ord) \
             LEFT JOIN request q ON q.request_id = k.request_id AND q.client = k.client \
             LEFT JOIN received n ON n.recipient_id = k.actor AND n.id = k.invitation \
             LEFT JOIN member mo ON mo.member_id = k.other \
             LEFT JOIN account a ON a.member_id = k.actor \
             LEFT JOIN pair p ON p.lo = least(k.actor, coalesce(k.other, n.inviter_id)) \
                             AND p.hi = greatest(k.actor, coalesce(k.other, n.inviter_id)) \
             LEFT JOIN received r \
                    ON r.recipient_id = CASE WHEN k.invitation IS NOT NULL THEN k.actor \
                                             WHEN p.open_from_lo THEN p.hi ELSE p.lo END \
                   AND r.id = coalesce(k.invitation, p.open_id)",
        );
        Ok(())
    }
}

fn read(key: &FactKey, row: Row) -> QueryResult<Facts> {
    let (_, request, other, account, pair, received) = row;
    Ok(Facts {
        answered: read_answer(key, request)?,
        other: read_addressee(other)?,
        account: read_account(key.actor, account)?,
        pair: read_pair(pair)?,
        received: read_received(received)?,
    })
}

fn read_answer(key: &FactKey, row: RequestRow) -> QueryResult<Option<StoredAnswer>> {
    let (Some(fingerprint), Some(code), subject, Some(decided_at), until) = row else {
        return Ok(None);
    };
    let asked = key.request.ok_or_else(|| impossible("request_id"))?;
    let fingerprint = fingerprint.try_into().map_err(|_| impossible("fingerprint"))?;
    Ok(Some(StoredAnswer {
        key: RequestKey {
            fingerprint,
            ..asked.clone()
        },
        outcome: outcome(code, subject, until.map(Time::to_jiff))?,
        decided_at: decided_at.to_jiff(),
    }))
}

fn read_addressee(row: MemberRow) -> QueryResult<Option<Addressee>> {
    let (Some(code), email) = row else {
        return Ok(None);
    };
    Ok(Some(match (policy(code)?, email) {
        (InvitationPolicy::Everyone, _) => Addressee::Everyone,
        (InvitationPolicy::KnowsMyEmail, Some(email)) => Addressee::KnowsMyEmail(email),
        (InvitationPolicy::KnowsMyEmail, None) => return Err(impossible("email")),
    }))
}

fn read_account(member_id: Uuid, row: AccountRow) -> QueryResult<Option<Account>> {
    let (Some(version), Some(sends), Some(lifetime_sends)) = row else {
        return Ok(None);
    };
    let lifetime_sends = usize::try_from(lifetime_sends).map_err(|_| impossible("lifetime_sends"))?;
    Ok(Some(Account {
        member_id,
        version,
        sends: sends_from_bytes(&sends)?,
        lifetime_sends,
    }))
}

fn read_pair(row: PairRow) -> QueryResult<Option<Pair>> {
    let (
        Some(lo),
        Some(hi),
        Some(version),
        connected_at,
        open_id,
        from_lo,
        until,
        Some(lo_sends),
        Some(hi_sends),
    ) = row
    else {
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
        lo_sends: sends_from_bytes(&lo_sends)?,
        hi_sends: sends_from_bytes(&hi_sends)?,
    }))
}

fn read_received(row: ReceivedRow) -> QueryResult<Option<Received>> {
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
        accepted_at,
        Some(emailed_at),
        Some(reminders),
    ) = row
    else {
        return Ok(None);
    };
    books::read_received((
        recipient_id,
        id,
        inviter_id,
        note,
        lifecycle,
        folder,
        sequence,
        sent_at,
        expires_at,
        accepted_at,
        emailed_at,
        reminders,
    ))
    .map(Some)
}
