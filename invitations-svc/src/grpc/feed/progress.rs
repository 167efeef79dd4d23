//! How far a stream is, and what it has to show: pure, so that what decides about messages can be read in one place.

use std::time::Duration;

use jiff::Timestamp;

use super::cursor::Cursor;
use crate::{
    domain::audience::{Audience, Followed},
    store::feed::{Placed, Positions, Range},
};

/// Transitions in one message. How they are cut into messages depends on nothing but what is shown.
pub(super) const FULL: usize = 1_000;

/// Positions that a stream goes through at once, where all of them are shown.
const WINDOW: i64 = 1_000;

/// The same, where most are somebody else's.
const WIDE_WINDOW: i64 = 10_000;

/// A stream's place, and what it has found since its last message.
#[derive(Debug)]
pub(super) struct Progress {
    cursor: Cursor,
    /// What happened before is not shown.
    since: Timestamp,
    found: Vec<Followed>,
}

/// A part of a window is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trimmed;

impl Progress {
    /// From a cursor on. A member's view goes back by `reach` from it.
    pub(super) fn new(cursor: Cursor, reach: Duration) -> Self {
        let since = match cursor.audience {
            Audience::Service => Timestamp::MIN,
            Audience::Member(_) => cursor.at.saturating_sub(reach).unwrap_or(Timestamp::MIN),
        };
        Self {
            cursor,
            since,
            found: Vec::new(),
        }
    }

    pub(super) fn audience(&self) -> Audience {
        self.cursor.audience
    }

    /// The positions to go through next, of those up to `heads`; none at the end.
    ///
    /// A member's view takes one lane after the other, so that the order of what it shows does not depend on how much
    /// lies between. Services take all lanes side by side: they show everything, and so stay ahead of what is trimmed.
    pub(super) fn next(&self, heads: &Positions) -> Vec<Range> {
        let (mut left, most) = match self.cursor.audience {
            Audience::Service => (WINDOW, WINDOW / self.cursor.positions.len() as i64),
            Audience::Member(_) => (WIDE_WINDOW, WIDE_WINDOW),
        };
        let mut ranges = Vec::new();
        for (lane, (after, head)) in (0..).zip(self.cursor.positions.iter().zip(heads)) {
            let length = (head - after).min(most).min(left);
            if length > 0 {
                left -= length;
                ranges.push(Range {
                    lane,
                    after: *after,
                    upto: after + length,
                });
            }
        }
        ranges
    }

    /// Takes what was read of `ranges`, up to a full message. What is left over is read again.
    pub(super) fn take(&mut self, ranges: &[Range], rows: &[Placed]) -> Result<(), Trimmed> {
        match self.cursor.audience {
            Audience::Service if rows.len() as i64 != ranges.iter().map(Range::len).sum::<i64>() => {
                return Err(Trimmed);
            }
            // A row that is not there is somebody else's, or older than what is shown.
            Audience::Service | Audience::Member(_) => {}
        }
        for row in rows {
            let view = self.cursor.audience.view(row.followed);
            let Some(view) = view.filter(|view| view.happened_at >= self.since) else {
                continue;
            };
            if self.found.len() == FULL {
                self.go(ranges, |range| match row.lane.cmp(&range.lane) {
                    std::cmp::Ordering::Less => range.after,
                    std::cmp::Ordering::Equal => row.position - 1,
                    std::cmp::Ordering::Greater => range.upto,
                });
                return Ok(());
            }
            self.found.push(view);
        }
        self.go(ranges, |range| range.upto);
        Ok(())
    }

    fn go(&mut self, ranges: &[Range], to: impl Fn(&Range) -> i64) {
        for range in ranges {
            if let Some(position) = self.cursor.positions.get_mut(range.lane.unsigned_abs() as usize) {
                *position = to(range);
            }
        }
    }

    /// Notes that nothing is left at `now`.
    pub(super) fn at_end(&mut self, now: Timestamp) {
        self.cursor.at = now;
    }

    /// Whether there is something to show.
    pub(super) fn has_found(&self) -> bool {
        !self.found.is_empty()
    }

    /// Whether there is as much to show as fits into a message.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= FULL
    }

    /// What there is to show, and the cursor after it.
    pub(super) fn shown(&mut self) -> (Vec<Followed>, &Cursor) {
        (std::mem::take(&mut self.found), &self.cursor)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::transition::EventKind;

    const INVITER: Uuid = Uuid::from_u128(1);
    const OTHERS: Uuid = Uuid::from_u128(9);

    /// A feed of one's own, lane by lane.
    struct Feed(Vec<Vec<Followed>>);

    fn followed(inviter_id: Uuid, kind: EventKind, number: i64) -> Followed {
        Followed {
            kind,
            invitation_id: Uuid::from_u128(number.unsigned_abs().into()),
            inviter_id,
            recipient_id: Uuid::from_u128(2),
            hidden: false,
            happened_at: Timestamp::from_second(number).expect("in range"),
        }
    }

    impl Feed {
        fn heads(&self) -> Positions {
            let length = |lane: &Vec<Followed>| i64::try_from(lane.len()).expect("small");
            let lengths: Vec<i64> = self.0.iter().map(length).collect();
            lengths.try_into().expect("all lanes")
        }

        fn read(&self, ranges: &[Range], audience: Audience) -> Vec<Placed> {
            let mut rows = Vec::new();
            for range in ranges {
                for position in range.after + 1..=range.upto {
                    let lane = usize::try_from(range.lane).expect("a lane");
                    let followed = self.0[lane][usize::try_from(position).expect("positive") - 1];
                    let wanted = match audience {
                        Audience::Service => true,
                        Audience::Member(id) => [followed.inviter_id, followed.recipient_id].contains(&id),
                    };
                    if wanted {
                        rows.push(Placed {
                            lane: range.lane,
                            position,
                            followed,
                        });
                    }
                }
            }
            rows
        }

        /// The messages of a stream from the oldest on.
        fn messages(&self, audience: Audience) -> Vec<Vec<i64>> {
            let cursor = Cursor {
                audience,
                at: Timestamp::UNIX_EPOCH,
                positions: Positions::default(),
            };
            let mut progress = Progress::new(cursor, Duration::ZERO);
            let mut messages = Vec::new();
            loop {
                let ranges = progress.next(&self.heads());
                if ranges.is_empty() || progress.is_full() {
                    let (found, _) = progress.shown();
                    if !found.is_empty() {
                        messages.push(found.iter().map(|view| view.happened_at.as_second()).collect());
                    }
                    if ranges.is_empty() {
                        return messages;
                    }
                    continue;
                }
                let rows = self.read(&ranges, audience);
                progress.take(&ranges, &rows).expect("nothing is trimmed");
            }
        }
    }

    /// Each lane with as many transitions of the inviter as `own` says, and `between` of `kind` after each of them.
    fn feed(own: [i64; 8], between: i64, inviter_id: Uuid, kind: EventKind) -> Feed {
        let mut number = 0;
        let lane = |count: i64| {
            let mut rows = Vec::new();
            for _ in 0..count {
                number += 1;
                rows.push(followed(INVITER, EventKind::Sent, number));
                rows.extend((0..between).map(|_| followed(inviter_id, kind, number)));
            }
            rows
        };
        Feed(own.map(lane).into())
    }

    #[test]
    fn services_are_shown_everything_once_and_each_lane_in_its_order() {
        let own = [2_500, 0, 3, 1_000, 1, 0, 999, 7];
        let messages = feed(own, 0, INVITER, EventKind::Sent).messages(Audience::Service);
        let shown: Vec<i64> = messages.concat();
        let mut sorted = shown.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=own.iter().sum()).collect::<Vec<_>>());
        let mut first = 1;
        for count in own {
            let lane: Vec<i64> = shown
                .iter()
                .copied()
                .filter(|n| (first..first + count).contains(n))
                .collect();
            assert!(lane.is_sorted());
            first += count;
        }
    }

    #[test]
    fn a_member_s_messages_do_not_depend_on_what_lies_between() {
        let own = [1_500, 20, 0, 700, 3, 0, 0, 1];
        let audience = Audience::Member(INVITER);
        let expected = feed(own, 0, INVITER, EventKind::Sent).messages(audience);
        assert_eq!(
            expected.iter().map(Vec::len).collect::<Vec<_>>(),
            [1_000, 1_000, 224]
        );
        for (between, inviter_id, kind) in [
            (1, INVITER, EventKind::Ignored),
            (3, INVITER, EventKind::Declined),
            (9, OTHERS, EventKind::Sent),
        ] {
            let other = feed(own, between, inviter_id, kind);
            assert_eq!(other.messages(audience), expected, "{between} of {kind:?}");
        }
    }

    #[test]
    fn a_member_is_shown_nothing_from_before_the_reach_of_the_view() {
        let feed = feed([10, 0, 0, 0, 0, 0, 0, 0], 0, INVITER, EventKind::Sent);
        let cursor = Cursor {
            audience: Audience::Member(INVITER),
            at: Timestamp::from_second(9).expect("in range"),
            positions: Positions::default(),
        };
        let mut progress = Progress::new(cursor, Duration::from_secs(2));
        let ranges = progress.next(&feed.heads());
        let rows = feed.read(&ranges, cursor.audience);
        progress.take(&ranges, &rows).expect("nothing is trimmed");
        assert_eq!(progress.shown().0.len(), 4);
    }

    #[test]
    fn a_service_is_told_when_a_part_of_its_window_is_gone() {
        let feed = feed([10, 0, 0, 0, 0, 0, 0, 0], 0, INVITER, EventKind::Sent);
        let cursor = Cursor {
            audience: Audience::Service,
            at: Timestamp::UNIX_EPOCH,
            positions: Positions::default(),
        };
        let mut progress = Progress::new(cursor, Duration::ZERO);
        let ranges = progress.next(&feed.heads());
        let rows = feed.read(&ranges, cursor.audience);
        assert_eq!(progress.take(&ranges, &rows[1..]), Err(Trimmed));
        assert_eq!(progress.take(&ranges, &rows), Ok(()));
    }
}
