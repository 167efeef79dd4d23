//! Ids of invitations: UUIDv7 (RFC 9562), so that each member's book is in the order of time.

use jiff::Timestamp;
use uuid::{Builder, Uuid};

/// Random bits for one id.
pub type Entropy = [u8; 10];

/// The id of what happens at `now`.
pub fn new(now: Timestamp, entropy: &Entropy) -> Uuid {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, entropy).into_uuid()
}

/// The id of what transition `sequence` of invitation `id` leads to at `now`: as random as the invitation's own.
pub fn derived(now: Timestamp, id: Uuid, sequence: i64) -> Uuid {
    let mut entropy = Entropy::default();
    entropy.copy_from_slice(&id.as_bytes()[6..]);
    for (byte, with) in entropy.iter_mut().rev().zip(sequence.to_le_bytes()) {
        *byte ^= with;
    }
    new(now, &entropy)
}

/// The last id of what happened up to `at`.
pub fn last_of(at: Timestamp) -> Uuid {
    new(at, &[u8::MAX; 10])
}

/// When the id was made: it begins with the milliseconds since 1970.
pub fn created_at(id: Uuid) -> Timestamp {
    let (high, _) = id.as_u64_pair();
    let millis = i64::try_from(high >> 16).expect("48 bits");
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_it_was_made() {
        let now = Timestamp::from_millisecond(1_795_000_000_123).expect("in range");
        let id = new(now, &[255; 10]);
        assert_eq!(created_at(id), now);
        assert_eq!(id.get_version_num(), 7);
    }
}
