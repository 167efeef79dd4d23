//! The feed: transitions moved out of the outbox into gapless positions, one lane at a time.
//!
//! A lane's positions are given out by whoever holds its head, and seen by others once they are committed. So what a
//! reader finds up to the head has no gap, and none that is filled later.

mod advance;
mod read;
mod trim;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{BigInt, Bool, SmallInt, Text},
};

pub use self::{
    advance::{advance, waiting},
    read::{Placed, Range, read},
    trim::trim,
};
use super::{outbox::LANES, prepared::prepared};

/// A position in each lane.
pub type Positions = [i64; LANES as usize];

/// Where a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The lane.
    pub lane: i16,
    /// The last position given out; the first is 1.
    pub position: i64,
    /// Positions up to this one are no longer kept.
    pub trimmed: i64,
    /// Whether transitions of the outbox wait for a position.
    pub waits: bool,
}

/// Where every lane stands, in their order.
pub fn heads(db: &mut PgConnection) -> QueryResult<Vec<Head>> {
    let rows: Vec<(i16, i64, i64, bool)> = Heads { lanes: &LANES }.load(db)?;
    let head = |(lane, position, trimmed, waits)| Head {
        lane,
        position,
        trimmed,
        waits,
    };
    Ok(rows.into_iter().map(head).collect())
}

/// One number of each head as an array over the lanes.
pub fn positions(heads: &[Head], number: impl Fn(&Head) -> i64) -> Positions {
    let mut positions = Positions::default();
    for head in heads {
        if let Some(place) = positions.get_mut(head.lane.unsigned_abs() as usize) {
            *place = number(head);
        }
    }
    positions
}

struct Heads<'a> {
    lanes: &'a i16,
}

prepared!(Heads, (SmallInt, BigInt, BigInt, Bool));

impl QueryFragment<Pg> for Heads<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Not EXISTS: the planner would hash all that waits instead of looking for one.
        out.push_sql(
            "SELECT h.lane, h.position, h.trimmed, \
             (SELECT true FROM outbox o WHERE o.lane = h.lane AND o.unfed LIMIT 1) IS NOT NULL \
             FROM feed_head h WHERE h.lane < ",
        );
        out.push_bind_param::<SmallInt, _>(self.lanes)?;
        out.push_sql(" ORDER BY h.lane");
        Ok(())
    }
}

/// A lane's head in the hand: position and trimmed.
type Held = (i64, i64);

/// Takes a lane's head until the end of the transaction; none where somebody else has it.
///
/// A process that stands still with the head in its hand loses its connection, not the others their feed.
fn hold(db: &mut PgConnection, lane: i16) -> QueryResult<Option<Held>> {
    let held: Vec<(i64, i64, String)> = Hold { lane: &lane }.load(db)?;
    Ok(held.first().map(|(position, trimmed, _)| (*position, *trimmed)))
}

struct Hold<'a> {
    lane: &'a i16,
}

prepared!(Hold, (BigInt, BigInt, Text));

impl QueryFragment<Pg> for Hold<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT position, trimmed, set_config('idle_in_transaction_session_timeout', '10s', true) \
             FROM feed_head WHERE lane = ",
        );
        out.push_bind_param::<SmallInt, _>(self.lane)?;
        out.push_sql(" FOR UPDATE SKIP LOCKED");
        Ok(())
    }
}
