//! Outbox → feed.

use diesel::{
    Connection, PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::hold;
use crate::{
    domain::{audience::is_shown_to_inviters, pair::PairKey},
    store::{
        codec::{Time, event},
        outbox::COUNTED,
        prepared::prepared,
    },
};

/// Moves up to `limit` transitions of a lane into the feed; answers how many. None where somebody else is at it.
///
/// A transition is committed before the next one of its pair is decided. So what one look finds of a pair follows on
/// what the looks before found, and the pair's versions order it within the look. Each statement after the first looks
/// anew, so it finds all that the holder before left behind.
pub fn advance(db: &mut PgConnection, lane: i16, limit: i64) -> QueryResult<Option<usize>> {
    db.transaction(|db| {
        let Some((head, _)) = hold(db, lane)? else {
            return Ok(None);
        };
        let rows: Vec<Row> = Unfed {
            lane: &lane,
            limit: &limit,
        }
        .load(db)?;
        if rows.is_empty() {
            return Ok(Some(0));
        }
        let found = ordered(rows.into_iter().map(unplaced).collect::<QueryResult<_>>()?);
        let columns = Columns {
            lane,
            ids: found.iter().map(|row| row.invitation_id).collect(),
            sequences: found.iter().map(|row| row.sequence).collect(),
            positions: (head + 1..).take(found.len()).collect(),
        };
        Place { columns: &columns }.execute(db)?;
        Ok(Some(found.len()))
    })
}

/// How many transitions wait for a position, counted up to [`COUNTED`].
pub fn waiting(db: &mut PgConnection) -> QueryResult<i64> {
    Waiting { counted: &COUNTED }.get_result(db)
}

type Row = (Uuid, i64, Uuid, Uuid, i64, i16, Time);

/// A transition without a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unplaced {
    invitation_id: Uuid,
    sequence: i64,
    pair: PairKey,
    version: i64,
    /// Whether inviters see such ones.
    is_shown: bool,
    happened_at: Timestamp,
}

fn unplaced(row: Row) -> QueryResult<Unplaced> {
    let (invitation_id, sequence, inviter_id, recipient_id, version, code, at) = row;
    Ok(Unplaced {
        invitation_id,
        sequence,
        pair: PairKey::of(inviter_id, recipient_id),
        version,
        is_shown: is_shown_to_inviters(event(code)?),
        happened_at: at.to_jiff(),
    })
}

/// In the order of time, but those of a pair by its versions, whatever the clocks said.
///
/// Versions of different pairs are not compared: an inviter who sees the order could count what recipients did in
/// private.
fn ordered(mut found: Vec<Unplaced>) -> Vec<Unplaced> {
    found.sort_unstable_by_key(|row| (row.pair, row.version));
    let of_pairs = found.chunk_by(|one, next| one.pair == next.pair);
    let mut timed: Vec<_> = of_pairs
        .flat_map(|rows| times(rows).into_iter().zip(rows))
        .collect();
    timed.sort_unstable_by_key(|(at, row)| (*at, row.pair, row.version));
    timed.into_iter().map(|(_, row)| *row).collect()
}

/// The times by which transitions of one pair are placed, none before that of the version before it.
///
/// What inviters see is placed by what they see alone, and what they do not see around it: clocks that differ would let
/// them learn of it by the place of what follows.
fn times(rows: &[Unplaced]) -> Vec<Timestamp> {
    let mut latest = Timestamp::MIN;
    let shown = rows.iter().map(|row| {
        row.is_shown.then(|| {
            latest = latest.max(row.happened_at);
            latest
        })
    });
    let shown: Vec<Option<Timestamp>> = shown.collect();
    let mut before = Timestamp::MIN;
    let place = |(at, row): (usize, &Unplaced)| {
        let next = shown[at..].iter().flatten().next().copied();
        before = shown[at].unwrap_or_else(|| row.happened_at.max(before).min(next.unwrap_or(Timestamp::MAX)));
        before
    };
    rows.iter().enumerate().map(place).collect()
}

struct Unfed<'a> {
    lane: &'a i16,
    limit: &'a i64,
}

prepared!(
    Unfed,
    (SqlUuid, BigInt, SqlUuid, SqlUuid, BigInt, SmallInt, Timestamptz)
);

impl QueryFragment<Pg> for Unfed<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Pair by pair, so that the limit cuts between two versions of one pair at most, and which pairs come first
        // depends on their members' ids only. The rows are locked in the order in which the relay locks them.
        out.push_sql(
            "WITH chosen AS MATERIALIZED (SELECT lane, invitation_id, sequence FROM outbox WHERE lane = ",
        );
        out.push_bind_param::<SmallInt, _>(self.lane)?;
        out.push_sql(
            " AND unfed ORDER BY least(inviter_id, recipient_id), greatest(inviter_id, recipient_id), pair_version \
             LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(self.limit)?;
        out.push_sql(
            ") SELECT o.invitation_id, o.sequence, o.inviter_id, o.recipient_id, o.pair_version, o.event, o.happened_at \
             FROM chosen c JOIN outbox o \
             ON o.lane = c.lane AND o.invitation_id = c.invitation_id AND o.sequence = c.sequence \
             ORDER BY o.lane, o.invitation_id, o.sequence FOR UPDATE OF o",
        );
        Ok(())
    }
}

/// The rows that get positions, in the order of these.
struct Columns {
    lane: i16,
    ids: Vec<Uuid>,
    sequences: Vec<i64>,
    positions: Vec<i64>,
}

struct Place<'a> {
    columns: &'a Columns,
}

prepared!(Place, ());

impl QueryFragment<Pg> for Place<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Columns {
            lane,
            ids,
            sequences,
            positions,
        } = self.columns;
        out.push_sql("WITH w AS MATERIALIZED (SELECT ");
        out.push_bind_param::<SmallInt, _>(lane)?;
        out.push_sql(" AS lane, u.* FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(sequences)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(positions)?;
        // What notify-svc still has to hear of stays in the outbox.
        out.push_sql(
            ") AS u(invitation_id, sequence, position)), \
             fed AS (INSERT INTO feed (lane, position, event, invitation_id, inviter_id, recipient_id, hidden, happened_at) \
             SELECT o.lane, w.position, o.event, o.invitation_id, o.inviter_id, o.recipient_id, o.hidden, o.happened_at \
             FROM w JOIN outbox o \
             ON o.lane = w.lane AND o.invitation_id = w.invitation_id AND o.sequence = w.sequence), \
             kept AS (UPDATE outbox o SET unfed = false FROM w \
             WHERE o.lane = w.lane AND o.invitation_id = w.invitation_id AND o.sequence = w.sequence \
             AND o.due_at IS NOT NULL), \
             gone AS (DELETE FROM outbox o USING w \
             WHERE o.lane = w.lane AND o.invitation_id = w.invitation_id AND o.sequence = w.sequence \
             AND o.due_at IS NULL) \
             UPDATE feed_head h SET position = last.position \
             FROM (SELECT lane, max(position) AS position FROM w GROUP BY lane) AS last WHERE h.lane = last.lane",
        );
        Ok(())
    }
}

struct Waiting<'a> {
    counted: &'a i64,
}

prepared!(Waiting, BigInt);

impl QueryFragment<Pg> for Waiting<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT count(*) FROM (SELECT FROM outbox WHERE unfed LIMIT ");
        out.push_bind_param::<BigInt, _>(self.counted)?;
        out.push_sql(") AS counted");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pair, version and second of a transition.
    type Sketch = (u128, i64, i64);

    fn unplaced(&(pair, version, second): &Sketch) -> Unplaced {
        Unplaced {
            invitation_id: Uuid::from_u128(pair),
            sequence: version,
            pair: PairKey::of(Uuid::from_u128(pair), Uuid::max()),
            version,
            is_shown: true,
            happened_at: Timestamp::from_second(second).expect("in range"),
        }
    }

    fn private(sketch: &Sketch) -> Unplaced {
        Unplaced {
            is_shown: false,
            ..unplaced(sketch)
        }
    }

    fn placed(found: Vec<Unplaced>) -> Vec<Sketch> {
        let sketch = |row: Unplaced| {
            (
                row.invitation_id.as_u128(),
                row.version,
                row.happened_at.as_second(),
            )
        };
        ordered(found).into_iter().map(sketch).collect()
    }

    fn check(found: &[Sketch], expected: &[Sketch]) {
        assert_eq!(placed(found.iter().map(unplaced).collect()), expected);
    }

    #[test]
    fn what_inviters_do_not_see_changes_nothing_in_the_order_of_what_they_see() {
        let ignored = private(&(1, 2, 90));
        let shown = [(1, 1, 10), (1, 3, 20), (2, 1, 50), (1, 4, 60)];
        let mut found: Vec<Unplaced> = shown.iter().map(unplaced).collect();
        found.push(ignored);
        assert_eq!(
            placed(found),
            [(1, 1, 10), (1, 2, 90), (1, 3, 20), (2, 1, 50), (1, 4, 60)]
        );
        // Where nothing of its pair follows, it comes at its time, but behind its version before.
        let trailing = [(1, 5, 70), (1, 6, 40)].iter().map(private);
        let found = shown.iter().map(unplaced).chain(trailing).collect();
        assert_eq!(
            placed(found),
            [
                (1, 1, 10),
                (1, 3, 20),
                (2, 1, 50),
                (1, 4, 60),
                (1, 5, 70),
                (1, 6, 40)
            ]
        );
    }

    #[test]
    fn transitions_come_in_the_order_of_time() {
        check(
            &[(1, 9, 30), (2, 1, 10), (3, 4, 20)],
            &[(2, 1, 10), (3, 4, 20), (1, 9, 30)],
        );
    }

    #[test]
    fn a_pair_s_transitions_come_in_the_order_of_its_versions_whatever_the_clocks_said() {
        check(
            &[(1, 3, 10), (1, 2, 20), (2, 7, 15)],
            &[(2, 7, 15), (1, 2, 20), (1, 3, 10)],
        );
        check(&[(1, 2, 10), (1, 1, 10)], &[(1, 1, 10), (1, 2, 10)]);
    }

    #[test]
    fn the_order_of_two_pairs_does_not_tell_their_versions() {
        for versions in [(1, 2), (2, 1)] {
            let both = [(1, versions.0, 10), (2, versions.1, 10)];
            check(&both, &both);
        }
    }
}
