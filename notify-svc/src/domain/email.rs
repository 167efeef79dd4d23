//! What an email is.

use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// Where an email stands. All but `Open` are outcomes, and an email has one of them for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open = 1,
    Sent = 2,
    Cancelled = 3,
    Expired = 4,
    Dead = 5,
    Uncertain = 6,
    PreferenceOff = 7,
    Suppressed = 8,
}

impl State {
    pub(crate) const ALL: [Self; 8] = [
        Self::Open,
        Self::Sent,
        Self::Cancelled,
        Self::Expired,
        Self::Dead,
        Self::Uncertain,
        Self::PreferenceOff,
        Self::Suppressed,
    ];

    /// The state that a row names by its number.
    pub(crate) fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i16 == code)
    }

    /// Its name in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sent => "sent",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Dead => "dead",
            Self::Uncertain => "uncertain",
            Self::PreferenceOff => "preference_off",
            Self::Suppressed => "suppressed",
        }
    }
}

/// Recipient and content of an email, as the first delivery of its command told them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) recipient: Recipient,
    pub(crate) content: Content,
}

/// The reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recipient {
    /// Display name, one line.
    pub(crate) name: String,
    pub(crate) address: String,
    /// BCP 47 tag.
    pub(crate) locale: String,
    /// IANA name.
    pub(crate) time_zone: String,
}

/// What the email says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Content {
    Initial(Initial),
    Reminder(Reminder),
    Acceptance(Acceptance),
    Reply(Reply),
}

impl Content {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Initial(_) => Kind::Initial,
            Self::Reminder(_) => Kind::Reminder,
            Self::Acceptance(_) => Kind::Acceptance,
            Self::Reply(_) => Kind::Reply,
        }
    }
}

/// Somebody invites the reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Initial {
    #[serde(flatten)]
    pub(crate) invitation: Invitation,
    /// How many reminders may follow.
    #[serde(default = "reminders_unless_told")]
    pub(crate) remaining_count: i32,
}

/// The reminders that follow an invitation at most where nobody said how many: the contract's two.
pub(crate) fn reminders_unless_told() -> i32 {
    2
}

/// What an invitation says at first and when the reader is reminded of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) inviter_name: String,
    /// Empty where there is none.
    pub(crate) note: String,
    pub(crate) accept_url: String,
    pub(crate) inviter_profile_url: String,
    pub(crate) inbox_url: String,
}

/// An invitation still waits for the reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reminder {
    pub(crate) invitation: Invitation,
    /// Which reminder it is, from 1.
    pub(crate) number: i32,
    /// How many reminders may still follow.
    pub(crate) remaining_count: i32,
}

/// The reader's invitation was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Acceptance {
    pub(crate) connection_name: String,
    pub(crate) connection_address: String,
    pub(crate) connection_profile_url: String,
    /// How many connections the new connection has.
    pub(crate) total_count: i32,
    /// How many of them the reader shares.
    pub(crate) shared_count: i32,
    /// Up to three of their names.
    pub(crate) names: Vec<String>,
}

/// Somebody replied to the reader's invitation, which is still open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) replier_name: String,
    /// What they wrote; never empty.
    pub(crate) text: String,
    pub(crate) invitation_url: String,
    pub(crate) replier_profile_url: String,
}

/// An email that got its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) state: State,
}
