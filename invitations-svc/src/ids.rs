//! The one place that makes ids.

use jiff::Timestamp;
use uuid::{Builder, Uuid};

/// A new UUIDv7 of the time `now`.
pub(crate) fn new(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid()
}
