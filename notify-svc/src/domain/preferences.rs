//! Which emails a reader wants.

use super::kind::Kind;

/// A reader's choices. Everything is on for a reader who never chose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Preferences {
    /// Kinds that are switched off.
    pub(crate) off: Vec<Kind>,
    /// No email of any kind, whatever else is chosen.
    pub(crate) contact_restricted: bool,
}

impl Preferences {
    /// Whether the kind is switched on.
    pub(crate) fn wants(&self, kind: Kind) -> bool {
        !self.off.contains(&kind)
    }
}

/// What is to be from now on. What a change does not name stays as it is, so that two changes of different things at
/// the same time both hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changes {
    pub(crate) switch_on: Vec<Kind>,
    pub(crate) switch_off: Vec<Kind>,
    pub(crate) restrict_contact: Option<bool>,
}

impl Changes {
    /// Also switches the kind on or off; nothing where it is not told.
    pub(crate) fn switch(mut self, kind: Kind, on: Option<bool>) -> Self {
        match on {
            Some(true) => self.switch_on.push(kind),
            Some(false) => self.switch_off.push(kind),
            None => {}
        }
        self
    }

    /// Whether it changes nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.switch_on.is_empty() && self.switch_off.is_empty() && self.restrict_contact.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_what_it_is_told_and_nothing_else() {
        let nothing = Kind::ALL
            .into_iter()
            .fold(Changes::default(), |changes, kind| changes.switch(kind, None));
        assert!(nothing.is_empty());
        let changes = nothing
            .switch(Kind::Reply, Some(true))
            .switch(Kind::Reminder, Some(false));
        assert!(!changes.is_empty());
        assert_eq!(
            (changes.switch_on, changes.switch_off),
            (vec![Kind::Reply], vec![Kind::Reminder])
        );
        let restricting = Changes {
            restrict_contact: Some(false),
            ..Changes::default()
        };
        assert!(!restricting.is_empty());
    }

    #[test]
    fn a_reader_who_never_chose_wants_everything() {
        assert!(
            Kind::ALL
                .into_iter()
                .all(|kind| Preferences::default().wants(kind))
        );
    }
}
