//! How much a reader is left in peace: no email in their night, no more than so many a day, and reminders put together.

use std::{str::FromStr, time::Duration};

use jiff::{
    Timestamp,
    civil::Time,
    tz::{AmbiguousOffset, TimeZone},
};

/// The span in which emails to one reader are counted.
const DAY: Duration = Duration::from_secs(86_400);

/// The span in which reminders of one reader become one.
pub(crate) const REMINDER_SPAN: Duration = Duration::from_secs(7 * 86_400);

/// What holds for every reader.
#[derive(Debug, Clone, Default)]
pub(crate) struct Restraint {
    pub(crate) quiet_hours: Option<QuietHours>,
    /// Emails to one reader in any 24 hours; 0 means no cap.
    pub(crate) daily_cap: usize,
    /// From how many reminders within a week on they become one email; 0 means never.
    pub(crate) digest_from: usize,
}

/// What a reader got lately, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lately {
    /// Emails of any kind.
    pub(crate) sent: Vec<Timestamp>,
    /// Reminders, one for each invitation that was reminded of.
    pub(crate) reminded: Vec<Timestamp>,
    /// Reminders that wait now, the judged one among them.
    pub(crate) waiting: usize,
}

/// Why an email waits although it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restrained {
    Cap,
    QuietHours,
    Digest,
}

/// Whether a reminder goes out alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    Alone,
    /// With all others that wait.
    Together,
}

impl Restraint {
    /// Until when an email to the reader waits, and why; none when it may go out now.
    pub(crate) fn until(
        &self,
        lately: &Lately,
        zone: &str,
        now: Timestamp,
    ) -> Option<(Timestamp, Restrained)> {
        if let Some(until) = self.below_cap_at(lately, now) {
            return Some((until, Restrained::Cap));
        }
        let quiet = self.quiet_hours?;
        // A zone that this machine does not know is taken for UTC, as one that nobody told.
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        quiet.end(&zone, now).map(|until| (until, Restrained::QuietHours))
    }

    /// When the oldest email that fills the cap is a day old; none when the cap is not filled.
    fn below_cap_at(&self, lately: &Lately, now: Timestamp) -> Option<Timestamp> {
        let oldest = lately.sent.len().checked_sub(self.daily_cap)?;
        let until = shell::clock::after(*lately.sent.get(oldest)?, DAY);
        (until > now).then_some(until)
    }

    /// Whether a reminder goes out with the others that wait, or until when it waits for them: once a reader has been
    /// reminded, what would be too many within a week waits for that week's end.
    pub(crate) fn company(&self, lately: &Lately, now: Timestamp) -> Result<Company, Timestamp> {
        if self.digest_from == 0 {
            return Ok(Company::Alone);
        }
        let ends = lately
            .reminded
            .iter()
            .map(|at| shell::clock::after(*at, REMINDER_SPAN));
        let ends: Vec<Timestamp> = ends.filter(|end| *end > now).collect();
        let too_many = ends.len() + lately.waiting >= self.digest_from;
        match ends.first() {
            Some(end) if too_many => Err(*end),
            None if too_many => Ok(Company::Together),
            Some(_) | None => Ok(Company::Alone),
        }
    }

    /// How many reminders of the last week a reminder may meet when it goes out: less than that many, or it waits.
    pub(crate) fn reminded_before(&self, company: Company) -> usize {
        match company {
            _ if self.digest_from == 0 => usize::MAX,
            Company::Together => 1,
            Company::Alone => self.digest_from.saturating_sub(1).max(1),
        }
    }
}

/// A part of each day by the reader's clock; its beginning is quiet, its end is not. It may hold midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuietHours {
    from: Time,
    to: Time,
}

impl FromStr for QuietHours {
    type Err = &'static str;

    /// Reads `22:00-07:30`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be two different times of day such as 22:00-07:00";
        let (from, to) = text.split_once('-').ok_or(WRONG)?;
        let time = |text: &str| Time::strptime("%H:%M", text).map_err(|_| WRONG);
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(WRONG);
        }
        Ok(Self { from, to })
    }
}

impl QuietHours {
    fn hold(self, time: Time) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        }
    }

    /// The first moment after `now` whose local time is not quiet; none when it is not quiet now. Where clocks are
    /// turned, that may be the turn itself, or the first of two moments that read alike.
    fn end(self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_zoned(zone.clone()).datetime();
        if !self.hold(local.time()) {
            return None;
        }
        let days = [local.date(), local.date().tomorrow().ok()?];
        let read_alike = days.into_iter().flat_map(|day| {
            let ambiguous = zone.to_ambiguous_timestamp(day.to_datetime(self.to));
            match ambiguous.offset() {
                AmbiguousOffset::Gap { .. } => [None, None],
                AmbiguousOffset::Unambiguous { .. } => [ambiguous.compatible().ok(), None],
                AmbiguousOffset::Fold { .. } => [ambiguous.earlier().ok(), ambiguous.later().ok()],
            }
        });
        let turns = zone.following(now).take(2).map(|turn| turn.timestamp());
        let is_loud = |at: &Timestamp| !self.hold(at.to_zoned(zone.clone()).time());
        let candidates = read_alike.flatten().chain(turns.filter(is_loud));
        candidates.filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn restraint(quiet: &str, daily_cap: usize, digest_from: usize) -> Restraint {
        Restraint {
            quiet_hours: quiet.parse().ok(),
            daily_cap,
            digest_from,
        }
    }

    /// Until when an email that is due at `now` waits for the reader's night to end.
    fn quiet(hours: &str, zone: &str, now: &str, until: Option<&str>) {
        let restrained = restraint(hours, 0, 0).until(&Lately::default(), zone, at(now));
        let expected = until.map(|until| (at(until), Restrained::QuietHours));
        assert_eq!(restrained, expected, "{hours} {zone} {now}");
    }

    #[test]
    fn nothing_is_sent_in_the_reader_s_night() {
        quiet("22:00-07:00", "UTC", "2026-06-01T21:59:59Z", None);
        quiet(
            "22:00-07:00",
            "UTC",
            "2026-06-01T22:00:00Z",
            Some("2026-06-02T07:00:00Z"),
        );
        quiet(
            "22:00-07:00",
            "UTC",
            "2026-06-02T06:59:59Z",
            Some("2026-06-02T07:00:00Z"),
        );
        quiet("22:00-07:00", "UTC", "2026-06-02T07:00:00Z", None);
        quiet(
            "12:00-14:00",
            "UTC",
            "2026-06-02T13:00:00Z",
            Some("2026-06-02T14:00:00Z"),
        );
        quiet("12:00-14:00", "UTC", "2026-06-02T23:00:00Z", None);
    }

    #[test]
    fn the_night_is_the_reader_s_not_ours() {
        quiet(
            "22:00-07:00",
            "Asia/Tokyo",
            "2026-06-01T13:00:00Z",
            Some("2026-06-01T22:00:00Z"),
        );
        quiet(
            "22:00-07:00",
            "America/Los_Angeles",
            "2026-06-01T13:00:00Z",
            Some("2026-06-01T14:00:00Z"),
        );
        quiet(
            "22:00-07:00",
            "Nowhere/Atall",
            "2026-06-01T23:00:00Z",
            Some("2026-06-02T07:00:00Z"),
        );
    }

    #[test]
    fn the_night_ends_by_the_clock_also_where_clocks_are_turned_in_it() {
        // Berlin loses an hour at 2026-03-29 02:00 (01:00Z) and gains one at 2026-10-25 03:00 (01:00Z).
        quiet(
            "22:00-07:00",
            "Europe/Berlin",
            "2026-03-28T22:00:00Z",
            Some("2026-03-29T05:00:00Z"),
        );
        quiet(
            "22:00-07:00",
            "Europe/Berlin",
            "2026-10-24T21:00:00Z",
            Some("2026-10-25T06:00:00Z"),
        );
    }

    #[test]
    fn an_end_that_the_clock_never_shows_is_the_turn() {
        quiet(
            "22:00-02:30",
            "Europe/Berlin",
            "2026-03-28T23:00:00Z",
            Some("2026-03-29T01:00:00Z"),
        );
    }

    #[test]
    fn an_end_that_the_clock_shows_twice_is_the_next_one() {
        quiet(
            "22:00-02:30",
            "Europe/Berlin",
            "2026-10-24T23:00:00Z",
            Some("2026-10-25T00:30:00Z"),
        );
        // The second time round: 02:10 again.
        quiet(
            "22:00-02:30",
            "Europe/Berlin",
            "2026-10-25T01:10:00Z",
            Some("2026-10-25T01:30:00Z"),
        );
    }

    #[test]
    fn a_cap_counts_any_24_hours() {
        let lately = Lately {
            sent: vec![at("2026-06-01T10:00:00Z"), at("2026-06-01T20:00:00Z")],
            ..Lately::default()
        };
        let check = |cap, now: &str, until: Option<&str>| {
            let expected = until.map(|until| (at(until), Restrained::Cap));
            assert_eq!(
                restraint("", cap, 0).until(&lately, "UTC", at(now)),
                expected,
                "{cap} {now}"
            );
        };
        check(0, "2026-06-01T21:00:00Z", None);
        check(3, "2026-06-01T21:00:00Z", None);
        check(2, "2026-06-01T21:00:00Z", Some("2026-06-02T10:00:00Z"));
        check(2, "2026-06-02T10:00:00Z", None);
        check(1, "2026-06-02T10:00:00Z", Some("2026-06-02T20:00:00Z"));
    }

    /// What becomes of a reminder on `day`, one of `waiting`, after reminders went out on the days of `reminded`.
    fn company(
        digest_from: usize,
        reminded: &[i64],
        waiting: usize,
        day: i64,
        expected: Result<Company, i64>,
    ) {
        let on = |day: i64| Timestamp::from_second(1_800_000_000 + day * 86_400).expect("in range");
        let lately = Lately {
            reminded: reminded.iter().map(|day| on(*day)).collect(),
            waiting,
            ..Lately::default()
        };
        let judged = restraint("", 0, digest_from).company(&lately, on(day));
        assert_eq!(judged, expected.map_err(on), "{reminded:?} {waiting} {day}");
    }

    #[test]
    fn three_reminders_that_wait_become_one() {
        company(3, &[], 1, 0, Ok(Company::Alone));
        company(3, &[], 2, 0, Ok(Company::Alone));
        company(3, &[], 3, 0, Ok(Company::Together));
        company(3, &[], 40, 0, Ok(Company::Together));
        company(3, &[0], 3, 7, Ok(Company::Together));
    }

    #[test]
    fn the_third_reminder_within_a_week_waits_for_the_week_s_end() {
        company(3, &[0], 1, 3, Ok(Company::Alone));
        company(3, &[0], 2, 3, Err(7));
        company(3, &[0, 3], 1, 5, Err(7));
        company(3, &[0, 3], 2, 7, Err(10));
        company(3, &[0, 0, 0], 1, 6, Err(7));
    }

    #[test]
    fn a_digest_from_0_on_is_none() {
        company(0, &[0, 0, 0], 40, 0, Ok(Company::Alone));
    }

    #[test]
    fn what_is_no_part_of_a_day_is_refused() {
        for wrong in [
            "",
            "22-7",
            "22:00",
            "24:00-07:00",
            "22:00-22:00",
            "22:00-07:00-08:00",
        ] {
            assert!(wrong.parse::<QuietHours>().is_err(), "{wrong}");
        }
    }
}
