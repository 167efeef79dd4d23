//! Which emails there are.

/// An email's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody invites the reader.
    Initial = 1,
    /// The invitation still waits for the reader.
    Reminder = 2,
    /// The reader's invitation was accepted.
    Acceptance = 3,
    /// Somebody answered the reader's invitation with a text.
    Reply = 4,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Initial, Self::Reminder, Self::Acceptance, Self::Reply];

    /// The kind that a row names by its number.
    pub(crate) fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i16 == code)
    }

    /// Its name in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Reminder => "reminder",
            Self::Acceptance => "acceptance",
            Self::Reply => "reply",
        }
    }
}
