//! The numbers of the rules, as settings.

use std::time::Duration;

use clap::{
    ArgMatches, Args, Command,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    domain::{
        account::RestrictionKind,
        policy::{AfterDecline, Policy, Rung},
    },
    grpc::Limits,
};

/// The numbers of the rules.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Rules")]
pub struct PolicyArgs {
    /// Sends of one inviter in any 24 hours
    #[arg(long, env = "QUOTA_DAY", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    pub quota_day: u16,
    /// Sends of one inviter in any 7 days
    #[arg(long, env = "QUOTA_WEEK", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub quota_week: u16,
    /// Sends of one inviter ever
    #[arg(long, env = "QUOTA_LIFETIME", default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub quota_lifetime: u32,
    /// Invitations of one inviter that wait for an answer
    #[arg(long, env = "QUOTA_OUTSTANDING", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub quota_outstanding: u32,
    /// Connections of one member
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub max_connections: u32,
    /// Sends of one inviter to one recipient in --pair-window-days
    #[arg(long, env = "PAIR_SENDS", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub pair_sends: u16,
    /// Window of --pair-sends, in days
    #[arg(long, env = "PAIR_WINDOW_DAYS", default_value_t = 180, value_parser = clap::value_parser!(u16).range(1..))]
    pub pair_window_days: u16,
    /// How long an invitation stays open after its last send, in days
    #[arg(long, env = "OPEN_DAYS", default_value_t = 180, value_parser = clap::value_parser!(u16).range(1..))]
    pub open_days: u16,
    /// A resend owes no initial email while the one before is younger than this, in hours
    #[arg(long, env = "EMAIL_PAUSE_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16).range(0..))]
    pub email_pause_hours: u16,
    /// When reminders are due, in days after the first send, ascending, separated by commas; `none` for none
    #[arg(long, env = "REMINDER_DAYS", default_value = "7,21")]
    pub reminder_days: String,
    /// Longest note, in characters; notify-svc takes no longer ones
    #[arg(long, env = "NOTE_CHARS", default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..=300))]
    pub note_chars: u16,
    /// Longest reply, in characters; notify-svc takes no longer ones
    #[arg(long, env = "REPLY_CHARS", default_value_t = 1_900, value_parser = clap::value_parser!(u16).range(1..=1_900))]
    pub reply_chars: u16,
    /// Replies to one invitation
    #[arg(long, env = "MAX_REPLIES", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub max_replies: u16,
    /// What a send meets whose recipient declined the inviter or accepts no invitations: `refuse` answers
    /// CANNOT_INVITE_MEMBER; `silent` looks sent and reaches nobody
    #[arg(long, env = "AFTER_DECLINE", default_value = "refuse",
          value_parser = PossibleValuesParser::new(["refuse", "silent"]).map(|word| after_decline(&word)))]
    pub after_decline: AfterDecline,
    /// Strikes that lead to the next restriction
    #[arg(long, env = "STRIKES", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub strikes: u16,
    /// How long a strike counts, in days
    #[arg(long, env = "STRIKE_DAYS", default_value_t = 180, value_parser = clap::value_parser!(u16).range(1..))]
    pub strike_days: u16,
    /// The restrictions that strikes lead to, one after the other: `email` (every invitation needs the recipient's
    /// address) or `suspend`, each with :DAYS, or without until an operator lifts it; the last one repeats
    #[arg(
        long,
        env = "RESTRICTION_LADDER",
        default_value = "email:7,suspend:7,suspend:30,suspend"
    )]
    pub restriction_ladder: String,
    /// How long a request's first answer is kept for its repetitions, in hours
    #[arg(long, env = "REQUEST_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..))]
    pub request_hours: u16,
    /// Invitations in one BatchSendInvitations
    #[arg(long, env = "BATCH_ITEMS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub batch_items: u16,
    /// Items of one SendInvitationStream that are under way at once
    #[arg(long, env = "STREAM_IN_FLIGHT", default_value_t = 1_024, value_parser = clap::value_parser!(u16).range(1..=8_192))]
    pub stream_in_flight: u16,
}

fn after_decline(word: &str) -> AfterDecline {
    match word {
        "silent" => AfterDecline::Silent,
        _ => AfterDecline::Refuse,
    }
}

const DAY: u64 = 24 * 60 * 60;

fn days(count: u16) -> Duration {
    Duration::from_secs(u64::from(count) * DAY)
}

fn hours(count: u16) -> Duration {
    Duration::from_secs(u64::from(count) * 60 * 60)
}

impl PolicyArgs {
    /// The numbers as the rules take them. The error says which setting is wrong, and how.
    pub fn policy(&self) -> Result<Policy, String> {
        Ok(Policy {
            quota_day: self.quota_day.into(),
            quota_week: self.quota_week.into(),
            quota_lifetime: self.quota_lifetime as usize,
            quota_outstanding: self.quota_outstanding as usize,
            max_connections: self.max_connections as usize,
            pair_sends: self.pair_sends.into(),
            pair_window: days(self.pair_window_days),
            open_for: days(self.open_days),
            email_pause: hours(self.email_pause_hours),
            reminders_after: reminders(&self.reminder_days)?,
            max_replies: self.max_replies.into(),
            after_decline: self.after_decline,
            strikes: self.strikes.into(),
            strike_window: days(self.strike_days),
            ladder: ladder(&self.restriction_ladder)?,
            request_memory: hours(self.request_hours),
        })
    }

    /// The numbers that the wire is held to; a call has `patience`.
    pub fn limits(&self, patience: Duration) -> Limits {
        Limits {
            note_chars: self.note_chars.into(),
            reply_chars: self.reply_chars.into(),
            batch_items: self.batch_items.into(),
            stream_in_flight: self.stream_in_flight.into(),
            patience,
        }
    }
}

/// The settings of the rules as they are given, one a line, each with its meaning.
pub fn rules(given: &ArgMatches) -> String {
    let described = PolicyArgs::augment_args(Command::new("rules"));
    let line = |arg: &clap::Arg| {
        let values = given.get_raw(arg.get_id().as_str()).into_iter().flatten();
        let values: Vec<String> = values.map(|value| value.to_string_lossy().into_owned()).collect();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let flag = arg.get_long().unwrap_or_default();
        format!("--{flag} {}\n    {help}", values.join(","))
    };
    described
        .get_arguments()
        .filter(|arg| arg.get_long().is_some_and(|flag| flag != "help"))
        .map(line)
        .collect::<Vec<String>>()
        .join("\n")
}

fn reminders(text: &str) -> Result<Vec<Duration>, String> {
    let wrong =
        || format!("--reminder-days: `{text}` must be up to 5 ascending numbers of days, e.g. 7,21, or none");
    if text.trim() == "none" {
        return Ok(Vec::new());
    }
    let counts = text.split(',').map(|part| part.trim().parse::<u16>());
    let counts: Vec<u16> = counts.collect::<Result<_, _>>().map_err(|_| wrong())?;
    let ascends = counts.is_sorted_by(|one, next| one < next) && counts.first() > Some(&0);
    if !ascends || counts.len() > 5 {
        return Err(wrong());
    }
    Ok(counts.into_iter().map(days).collect())
}

fn ladder(text: &str) -> Result<Vec<Rung>, String> {
    let wrong = || {
        format!(
            "--restriction-ladder: `{text}` must be restrictions separated by commas, e.g. email:7,suspend:30,suspend"
        )
    };
    let rung = |part: &str| {
        let (word, length) = match part.trim().split_once(':') {
            Some((word, count)) => {
                let count: u16 = count.parse().ok().filter(|count| *count > 0)?;
                (word, Some(days(count)))
            }
            None => (part.trim(), None),
        };
        let kind = match word {
            "email" => RestrictionKind::EmailRequired,
            "suspend" => RestrictionKind::Suspended,
            _ => return None,
        };
        Some(Rung { kind, length })
    };
    text.split(',').map(rung).collect::<Option<_>>().ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_rule_is_told_with_its_number() {
        let given = [
            "x",
            "--database-url",
            "postgres:///x",
            "--link-keys",
            "k",
            "--quota-day",
            "7",
        ];
        let told = rules(&crate::config::Config::command().get_matches_from(given));
        assert!(
            told.contains("--quota-day 7\n    Sends of one inviter in any 24 hours"),
            "{told}"
        );
        assert!(
            told.contains("--restriction-ladder email:7,suspend:7,suspend:30,suspend\n"),
            "{told}"
        );
    }

    #[test]
    fn a_ladder_names_kinds_and_days() {
        assert_eq!(
            ladder("email:1, suspend").expect("well formed"),
            [
                Rung {
                    kind: RestrictionKind::EmailRequired,
                    length: Some(days(1))
                },
                Rung {
                    kind: RestrictionKind::Suspended,
                    length: None
                },
            ]
        );
        for text in ["", "email:", "email:0", "email:x", "ban:7", "email:7,,suspend"] {
            assert!(ladder(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reminders_ascend() {
        assert_eq!(reminders("7,21").expect("well formed"), [days(7), days(21)]);
        assert_eq!(reminders("none").expect("well formed"), []);
        for text in ["", "0", "21,7", "7,7", "x", "1,2,3,4,5,6"] {
            assert!(reminders(text).is_err(), "{text}");
        }
    }
}
