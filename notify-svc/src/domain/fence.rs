//! Up to where an invitation's emails are stopped.

use super::kind::Kind;

/// Which of an invitation's emails a cancel stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    /// What asks the recipient for an answer.
    Invitation,
    Reminders,
}

impl Scope {
    const ALL: [Self; 3] = [Self::All, Self::Invitation, Self::Reminders];

    /// Whether it reaches emails of `kind`.
    fn covers(self, kind: Kind) -> bool {
        use Kind::{Acceptance, Initial, Reminder, Reply};
        match (self, kind) {
            (Self::All, Initial | Reminder | Acceptance | Reply) => true,
            (Self::Invitation, Initial | Reminder) => true,
            (Self::Invitation, Acceptance | Reply) => false,
            (Self::Reminders, Reminder) => true,
            (Self::Reminders, Initial | Acceptance | Reply) => false,
        }
    }

    /// The kinds that it reaches.
    pub(crate) fn kinds(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.covers(*kind))
    }
}

/// The highest cancel of each scope that an invitation has had; 0 where there was none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fences {
    pub(crate) all: i64,
    pub(crate) invitation: i64,
    pub(crate) reminders: i64,
}

impl Fences {
    /// Takes a cancel in. Fences only rise.
    pub(crate) fn raise(&mut self, scope: Scope, sequence: i64) {
        let fence = match scope {
            Scope::All => &mut self.all,
            Scope::Invitation => &mut self.invitation,
            Scope::Reminders => &mut self.reminders,
        };
        *fence = sequence.max(*fence);
    }

    /// Emails of `kind` with a sequence below this are stopped.
    pub(crate) fn limit(self, kind: Kind) -> i64 {
        let covering = Scope::ALL.into_iter().filter(|scope| scope.covers(kind));
        covering.map(|scope| self.of(scope)).max().unwrap_or_default()
    }

    /// Whether an email is stopped.
    pub(crate) fn stop(self, kind: Kind, sequence: i64) -> bool {
        sequence < self.limit(kind)
    }

    fn of(self, scope: Scope) -> i64 {
        match scope {
            Scope::All => self.all,
            Scope::Invitation => self.invitation,
            Scope::Reminders => self.reminders,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a single cancel of `scope` stops, below its sequence and not from it on.
    fn check(scope: Scope, stopped: &[Kind]) {
        let mut fences = Fences::default();
        fences.raise(scope, 5);
        for kind in Kind::ALL {
            assert_eq!(
                fences.stop(kind, 4),
                stopped.contains(&kind),
                "{scope:?} {kind:?}"
            );
            assert!(!fences.stop(kind, 5), "{scope:?} {kind:?}");
        }
        assert_eq!(scope.kinds().collect::<Vec<_>>(), stopped);
    }

    #[test]
    fn a_cancel_stops_lower_sequences_of_its_scope_and_nothing_else() {
        check(Scope::All, &Kind::ALL);
        check(Scope::Invitation, &[Kind::Initial, Kind::Reminder]);
        check(Scope::Reminders, &[Kind::Reminder]);
    }

    #[test]
    fn the_highest_fence_that_covers_a_kind_counts() {
        let fences = Fences {
            all: 2,
            invitation: 3,
            reminders: 4,
        };
        let limits = Kind::ALL.map(|kind| fences.limit(kind));
        assert_eq!(limits, [3, 4, 2, 2]);
        let above = Fences { all: 9, ..fences };
        assert_eq!(Kind::ALL.map(|kind| above.limit(kind)), [9; 4]);
    }

    #[test]
    fn a_lower_cancel_that_comes_later_lowers_no_fence() {
        for scope in Scope::ALL {
            let mut fences = Fences::default();
            fences.raise(scope, 7);
            let raised = fences;
            fences.raise(scope, 3);
            assert_eq!(fences, raised, "{scope:?}");
        }
    }

    #[test]
    fn without_a_cancel_nothing_is_stopped() {
        for kind in Kind::ALL {
            assert!(!Fences::default().stop(kind, 1));
        }
    }
}
