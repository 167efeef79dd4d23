//! The times of the latest sends, or strikes: what exact rolling windows are counted over.

use std::time::Duration;

use jiff::Timestamp;

/// Times, oldest first.
///
/// Entries leave by number, not by age, so that a clock that stepped forward and back cannot make room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeLog(Vec<Timestamp>);

impl TimeLog {
    /// A log of these times.
    pub fn new(mut times: Vec<Timestamp>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The times, oldest first.
    pub fn times(&self) -> &[Timestamp] {
        &self.0
    }

    /// How many of them the window of `length` that ends `now` holds. One that is exactly `length` old has left it.
    pub fn count(&self, length: Duration, now: Timestamp) -> usize {
        let start = now.saturating_sub(length).unwrap_or(Timestamp::MIN);
        self.0.iter().filter(|at| **at > start).count()
    }

    /// Notes one more, and forgets the oldest beyond `keep`. `now` may lie before the newest: of two processes the one that
    /// looked at the clock first may be the second to write.
    pub fn record(&mut self, now: Timestamp, keep: usize) {
        let place = self.0.partition_point(|at| *at <= now);
        self.0.insert(place, now);
        let surplus = self.0.len().saturating_sub(keep);
        self.0.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_at_its_start_and_closed_at_its_end() {
        let sent = Timestamp::UNIX_EPOCH;
        let log = TimeLog::new(vec![sent]);
        let day = Duration::from_secs(86_400);
        let later = |millis: i64| Timestamp::from_millisecond(86_400_000 + millis).expect("in range");
        assert_eq!(log.count(day, sent), 1);
        assert_eq!(log.count(day, later(-1)), 1);
        assert_eq!(log.count(day, later(0)), 0);
    }

    #[test]
    fn a_send_in_the_future_counts() {
        let log = TimeLog::new(vec![Timestamp::from_second(1_000).expect("in range")]);
        assert_eq!(log.count(Duration::from_secs(60), Timestamp::UNIX_EPOCH), 1);
    }

    #[test]
    fn what_is_recorded_late_pushes_out_nothing_newer() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let mut log = TimeLog::default();
        for second in [30, 10, 40, 50] {
            log.record(at(second), 3);
        }
        assert_eq!(log.times(), [30, 40, 50].map(at));
        // As they were stored before they were kept in order.
        let mut stored = TimeLog::new([30, 10, 40].map(at).to_vec());
        stored.record(at(50), 3);
        assert_eq!(stored.times(), [30, 40, 50].map(at));
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut log = TimeLog::default();
        for second in 0..5 {
            log.record(Timestamp::from_second(second).expect("in range"), 3);
        }
        assert_eq!(
            log.times().iter().map(|at| at.as_second()).collect::<Vec<_>>(),
            [2, 3, 4]
        );
    }
}
