//! Cursors: where a stream is, sealed. A member's cursor must not tell that a lane has moved by what they may not see.

use std::time::Duration;

use jiff::Timestamp;
use shell::{
    clock::after,
    fields::Violations,
    signing::{Keyring, Purpose},
};
use uuid::Uuid;

use crate::{
    domain::audience::Audience,
    store::feed::{self, Head, Positions},
};

const FEED: Purpose = Purpose("cursor of WatchTransitions");

const WRONG: &str = "must be a cursor that this service gave out for the same member_id, or empty";

/// Where an audience is in the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) audience: Audience,
    /// When the audience was last at the end of the feed, or began.
    pub(super) at: Timestamp,
    /// In each lane, the last position that was worked through.
    pub(super) positions: Positions,
}

/// What comes after the cursor is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooOld;

/// How far back a member's view reaches from where it began, and how long a member's cursor is good.
///
/// It is half of the time that transitions are kept, so that whether a cursor is good is a matter of its age only: that
/// a position is still there or not would tell of other transitions.
pub(super) fn reach(kept: Duration) -> Duration {
    kept / 2
}

impl Cursor {
    /// The text of it, of one length for all.
    pub(super) fn seal(&self, keys: &Keyring) -> String {
        let mut payload = id_of(self.audience).as_bytes().to_vec();
        payload.extend_from_slice(&self.at.as_millisecond().to_be_bytes());
        for position in self.positions {
            payload.extend_from_slice(&position.to_be_bytes());
        }
        keys.seal(FEED, &payload)
    }

    /// The cursor of a text; none where it is empty. Notes a violation where it is not one of this audience.
    pub(super) fn open(
        violations: &mut Violations,
        keys: &Keyring,
        audience: Audience,
        text: &str,
    ) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let read = keys
            .unseal(FEED, text)
            .and_then(|payload| read(audience, &payload));
        if read.is_none() {
            violations.add("cursor", WRONG);
        }
        read
    }

    /// Where to begin: at the cursor, or at the oldest that is kept.
    pub(super) fn start(
        cursor: Option<Self>,
        audience: Audience,
        heads: &[Head],
        now: Timestamp,
        kept: Duration,
    ) -> Result<Self, TooOld> {
        let oldest = feed::positions(heads, |head| head.trimmed);
        let newest = feed::positions(heads, |head| head.position);
        let Some(cursor) = cursor else {
            return Ok(Self {
                audience,
                at: now,
                positions: oldest,
            });
        };
        let below =
            |one: &Positions, other: &Positions| one.iter().zip(other).any(|(one, other)| one < other);
        // A cursor beyond the end is from before a backup was put back: what it stands for is gone, too.
        if below(&newest, &cursor.positions) {
            return Err(TooOld);
        }
        match audience {
            Audience::Service if below(&cursor.positions, &oldest) => Err(TooOld),
            Audience::Service => Ok(cursor),
            Audience::Member(_) if after(cursor.at, reach(kept)) < now => Err(TooOld),
            // What is gone in between is older than what this view shows.
            Audience::Member(_) => {
                let mut positions = cursor.positions;
                for (position, oldest) in positions.iter_mut().zip(oldest) {
                    *position = oldest.max(*position);
                }
                Ok(Self { positions, ..cursor })
            }
        }
    }
}

/// Nil for services.
fn id_of(audience: Audience) -> Uuid {
    match audience {
        Audience::Service => Uuid::nil(),
        Audience::Member(id) => id,
    }
}

fn read(audience: Audience, payload: &[u8]) -> Option<Cursor> {
    let (id, numbers) = payload.split_first_chunk::<16>()?;
    let (numbers, rest) = numbers.as_chunks::<8>();
    let (at, positions) = numbers.split_first()?;
    if Uuid::from_bytes(*id) != id_of(audience) || !rest.is_empty() {
        return None;
    }
    let positions: Vec<i64> = positions.iter().map(|bytes| i64::from_be_bytes(*bytes)).collect();
    Some(Cursor {
        audience,
        at: Timestamp::from_millisecond(i64::from_be_bytes(*at)).ok()?,
        positions: positions.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: Audience = Audience::Member(Uuid::from_u128(7));
    const KEPT: Duration = Duration::from_secs(100);

    fn keys() -> Keyring {
        "0123456789abcdef0123456789abcdef".parse().expect("long enough")
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn cursor(audience: Audience, at: i64, position: i64) -> Cursor {
        Cursor {
            audience,
            at: second(at),
            positions: [position; 8],
        }
    }

    fn opened(audience: Audience, text: &str) -> Result<Option<Cursor>, tonic::Status> {
        let mut violations = Violations::default();
        let cursor = Cursor::open(&mut violations, &keys(), audience, text);
        violations.into_result("test.v1", cursor)
    }

    #[test]
    fn a_cursor_is_bound_to_its_audience_and_cannot_be_forged() {
        for audience in [Audience::Service, MEMBER] {
            let text = cursor(audience, 5, 9).seal(&keys());
            let read = opened(audience, &text).expect("genuine");
            assert_eq!(read, Some(cursor(audience, 5, 9)));
            for other in [Audience::Service, MEMBER, Audience::Member(Uuid::from_u128(8))] {
                assert_eq!(opened(other, &text).is_ok(), other == audience, "{other:?}");
            }
            assert!(opened(audience, &text[1..]).is_err());
            assert!(opened(audience, "forged").is_err());
        }
        let short = keys().seal(FEED, &[0; 16]);
        assert!(opened(Audience::Service, &short).is_err());
        assert_eq!(opened(MEMBER, "").expect("none"), None);
    }

    #[test]
    fn all_cursors_have_one_length() {
        let length = |audience, position| cursor(audience, position, position).seal(&keys()).len();
        assert_eq!(length(Audience::Service, 0), length(MEMBER, i64::from(u32::MAX)));
    }

    #[test]
    fn a_cursor_tells_nothing_not_even_that_nothing_moved() {
        let texts = [1, 1, 2].map(|position| cursor(MEMBER, 5, position).seal(&keys()));
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let both = texts[one].bytes().zip(texts[other].bytes());
            let same = both.filter(|(one, other)| one == other).count();
            assert!(same < 40, "{same} of {} characters are the same", texts[0].len());
        }
    }

    fn check(cursor: Option<Cursor>, audience: Audience, now: i64, expected: Result<(i64, i64), TooOld>) {
        let head = |lane| Head {
            lane,
            position: 20,
            trimmed: 10,
            waits: false,
        };
        let heads: Vec<Head> = (0..8).map(head).collect();
        let start = Cursor::start(cursor, audience, &heads, second(now), KEPT);
        let place = start.map(|start| (start.at.as_second(), start.positions[0]));
        assert_eq!(place, expected, "{cursor:?}");
    }

    #[test]
    fn no_cursor_begins_at_the_oldest_that_is_kept() {
        for audience in [Audience::Service, MEMBER] {
            check(None, audience, 1_000, Ok((1_000, 10)));
        }
    }

    #[test]
    fn a_service_s_cursor_is_good_while_what_follows_is_kept() {
        let start = |position, expected| {
            let cursor = cursor(Audience::Service, 0, position);
            check(Some(cursor), Audience::Service, 1_000, expected);
        };
        start(9, Err(TooOld));
        start(10, Ok((0, 10)));
        start(20, Ok((0, 20)));
        start(21, Err(TooOld));
    }

    #[test]
    fn a_member_s_cursor_is_good_for_a_time_whatever_is_kept() {
        let start =
            |position, now, expected| check(Some(cursor(MEMBER, 100, position)), MEMBER, now, expected);
        start(15, 150, Ok((100, 15)));
        start(1, 150, Ok((100, 10)));
        start(15, 151, Err(TooOld));
        start(1, 151, Err(TooOld));
        start(21, 150, Err(TooOld));
    }
}
