//! By what a repeated command is told from another one under the same key.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// SHA-256 of what the event fixed.
pub(crate) type Fingerprint = [u8; 32];

/// What the event that causes an email fixed.
///
/// Names, addresses, locale, links and the summary of connections are not part of it: the relay looks them up or signs
/// them when it hands the command over, so they may differ between two deliveries of one event; the accept link does
/// when keys are rotated in between. The first delivery wins.
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
    Acceptance { connection_id: Uuid },
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
        Cause::Acceptance { connection_id } => {
            hash.update(b"acceptance");
            hash.update(connection_id);
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
        Event {
            invitation_id: Uuid::from_u128(1),
            sequence: 1,
            member_id: Uuid::from_u128(2),
            event_time: Timestamp::from_second(1_800_000_000).expect("a time"),
            cause: Cause::Initial { note },
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
    fn the_encoding_stays_as_it_is() {
        let hex: String = of(&event("note"))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex, "a136c0ca448021e096b9b5e219c7fd7a170c92b24f1ffe61c4d371735fc0d360",
            "keys of old emails would be refused"
        );
    }
}
