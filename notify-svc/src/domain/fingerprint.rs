//! By what a repeated command is told from another one under the same key.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// SHA-256 of what the event fixed.
pub(crate) type Fingerprint = [u8; 32];

/// What the event that causes an email fixed.
///
/// Names, addresses, locale, links, the summary of connections and how many reminders remain are not part of it: the relay
/// looks them up or signs them when it hands the command over, so they may differ between two deliveries of one event; the
/// accept link does when keys are rotated in between. The first delivery wins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) invitation_id: Uuid,
    pub(crate) sequence: i64,
    pub(crate) member_id: Uuid,
    pub(crate) event_time: Timestamp,
    pub(crate) cause: Cause<'a>,
}

/// The part that depends on the email's kind.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    Initial { note: &'a str },
    Reminder { note: &'a str, number: i32 },
    Acceptance { connection_id: Uuid },
    Reply { replier_id: Uuid, text: &'a str },
}

/// The fingerprint. Its encoding is versioned by the first line: a new version must go on knowing the old keys.
pub(crate) fn of(event: &Event<'_>) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update(b"notify.v1 email 1\n");
    hash.update(event.invitation_id);
    hash.update(event.sequence.to_be_bytes());
    hash.update(event.member_id);
    hash.update(event.event_time.as_millisecond().to_be_bytes());
    match event.cause {
        Cause::Initial { note } => {
            hash.update(b"initial");
            update_text(&mut hash, note);
        }
        Cause::Reminder { note, number } => {
            hash.update(b"reminder");
            hash.update(number.to_be_bytes());
            update_text(&mut hash, note);
        }
        Cause::Acceptance { connection_id } => {
            hash.update(b"acceptance");
            hash.update(connection_id);
        }
        Cause::Reply { replier_id, text } => {
            hash.update(b"reply");
            hash.update(replier_id);
            update_text(&mut hash, text);
        }
    }
    hash.finalize().into()
}

/// Length first, so that a text does not run together with what stands beside it.
fn update_text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(note: &str) -> Event<'_> {
        caused(Cause::Initial { note })
    }

    fn caused(cause: Cause<'_>) -> Event<'_> {
        Event {
            invitation_id: Uuid::from_u128(1),
            sequence: 1,
            member_id: Uuid::from_u128(2),
            event_time: Timestamp::from_second(1_800_000_000).expect("a time"),
            cause,
        }
    }

    #[test]
    fn everything_the_event_fixed_tells_two_emails_apart() {
        let base = event("note");
        let others = [
            Event {
                invitation_id: Uuid::from_u128(9),
                ..base
            },
            Event { sequence: 2, ..base },
            Event {
                member_id: Uuid::from_u128(9),
                ..base
            },
            Event {
                event_time: Timestamp::from_second(1_800_000_001).expect("a time"),
                ..base
            },
            event("other"),
            event(""),
            Event {
                cause: Cause::Acceptance {
                    connection_id: Uuid::from_u128(3),
                },
                ..base
            },
        ];
        assert_eq!(of(&base), of(&event("note")));
        for other in others {
            assert_ne!(of(&base), of(&other), "{other:?}");
        }
    }

    #[test]
    fn what_caused_it_tells_two_emails_apart() {
        let note = "note";
        let (replier_id, text) = (Uuid::from_u128(3), "text");
        let events = [
            event(note),
            caused(Cause::Reminder { note, number: 1 }),
            caused(Cause::Reminder { note, number: 2 }),
            caused(Cause::Reminder {
                note: "other",
                number: 1,
            }),
            caused(Cause::Acceptance {
                connection_id: replier_id,
            }),
            caused(Cause::Reply { replier_id, text }),
            caused(Cause::Reply {
                replier_id,
                text: "other",
            }),
            caused(Cause::Reply {
                replier_id: Uuid::from_u128(4),
                text,
            }),
        ];
        for (i, one) in events.iter().enumerate() {
            for (j, other) in events.iter().enumerate() {
                assert_eq!(of(one) == of(other), i == j, "{one:?} {other:?}");
            }
        }
    }

    fn check_encoding(event: &Event<'_>, expected: &str) {
        let hex: String = of(event).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected, "keys of old emails would be refused: {event:?}");
    }

    #[test]
    fn the_encoding_stays_as_it_is() {
        check_encoding(
            &event("note"),
            "a136c0ca448021e096b9b5e219c7fd7a170c92b24f1ffe61c4d371735fc0d360",
        );
        check_encoding(
            &caused(Cause::Reminder {
                note: "note",
                number: 1,
            }),
            "10622ec1cc3698be9ae56cc5823919a5c34c4e76be9d63f5b6761d963fdb3799",
        );
        check_encoding(
            &caused(Cause::Acceptance {
                connection_id: Uuid::from_u128(3),
            }),
            "05b01180c3e8e43175e95a43c1bb19d985a9f0075b34550565920e702733e6ef",
        );
        check_encoding(
            &caused(Cause::Reply {
                replier_id: Uuid::from_u128(3),
                text: "text",
            }),
            "190918acc03b97eb7ff78cf37412e8a0b2c6e18d8744ffb382bdf8aa5d6f4a19",
        );
    }
}
