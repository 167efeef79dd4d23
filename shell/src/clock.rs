//! The one place that asks the time. Tests hand in a clock of their own.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;

/// Tells the time, in whole milliseconds: the resolution that ids, rows and the wire share.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock's lawful place")]
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that tells what `source` tells.
    pub fn new(source: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// Now, cut to whole milliseconds.
    pub fn now(&self) -> Timestamp {
        let now = (self.0)();
        Timestamp::from_millisecond(now.as_millisecond()).expect("a part of a valid time is valid")
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// `at` and `length` later; the end of time where that is past it.
pub fn after(at: Timestamp, length: Duration) -> Timestamp {
    at.saturating_add(length).unwrap_or(Timestamp::MAX)
}

/// A protobuf timestamp.
pub fn to_proto(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    }
}

/// The time a protobuf timestamp names, cut to whole milliseconds.
pub fn from_proto(at: &prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..1_000_000_000).contains(&at.nanos) {
        return None;
    }
    let at = Timestamp::new(at.seconds, at.nanos).ok()?;
    Timestamp::from_millisecond(at.as_millisecond()).ok()
}
