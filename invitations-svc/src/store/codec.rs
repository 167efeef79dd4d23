//! How the domain's values are written in columns. A value that cannot be is refused when it is read.

use diesel::result::Error as DieselError;
use jiff::Timestamp;
use jiff_diesel::ToDiesel;

use crate::domain::{
    account::RestrictionKind,
    invitation::{Folder, Lifecycle},
    member::InvitationPolicy,
    refusal::Refusal,
    request::{Outcome, Snapshot},
    time_log::TimeLog,
    transition::{AuditAction, EventKind},
};

/// A time as Diesel writes it.
pub(super) type Time = jiff_diesel::Timestamp;

pub(super) fn time(at: Timestamp) -> Time {
    at.to_diesel()
}

pub(super) fn optional_time(at: Option<Timestamp>) -> Option<Time> {
    at.map(time)
}

/// A row that no code of ours writes.
#[derive(Debug, thiserror::Error)]
#[error("the column {0} holds a value it cannot have")]
pub(super) struct Impossible(pub(super) &'static str);

pub(super) fn impossible(column: &'static str) -> DieselError {
    DieselError::DeserializationError(Box::new(Impossible(column)))
}

/// Eight bytes a time: big-endian milliseconds since 1970.
pub(super) fn times_to_bytes(log: &TimeLog) -> Vec<u8> {
    log.times()
        .iter()
        .flat_map(|at| at.as_millisecond().to_be_bytes())
        .collect()
}

pub(super) fn times_from_bytes(bytes: &[u8]) -> Result<TimeLog, DieselError> {
    let (times, rest) = bytes.as_chunks::<8>();
    let times = times
        .iter()
        .map(|eight| Timestamp::from_millisecond(i64::from_be_bytes(*eight)));
    match times.collect() {
        Ok(times) if rest.is_empty() => Ok(TimeLog::new(times)),
        _ => Err(impossible("times")),
    }
}

/// Writes an enum as the numbers of its column, and reads it back.
macro_rules! codes {
    ($to:ident, $from:ident, $kind:ty, $column:literal, { $($variant:ident = $code:literal),+ $(,)? }) => {
        pub(super) fn $to(value: $kind) -> i16 {
            match value {
                $(<$kind>::$variant => $code,)+
            }
        }

        pub(super) fn $from(code: i16) -> Result<$kind, DieselError> {
            match code {
                $($code => Ok(<$kind>::$variant),)+
                _ => Err(impossible($column)),
            }
        }
    };
}

codes!(lifecycle_code, lifecycle, Lifecycle, "lifecycle", {
    Pending = 1, Accepted = 2, Withdrawn = 3, Expired = 4, Void = 5,
});
codes!(folder_code, folder, Folder, "folder", { Inbox = 1, Archived = 2, Declined = 3, Barred = 4 });
codes!(policy_code, policy, InvitationPolicy, "invitation_policy", { Everyone = 1, KnowsMyEmail = 2, Nobody = 3 });
codes!(restriction_code, restriction, RestrictionKind, "restriction", { EmailRequired = 1, Suspended = 2 });
codes!(action_code, action, AuditAction, "action", {
    QuotaGranted = 1, Restricted = 2, RestrictionLifted = 3, BanLifted = 4, Erased = 5,
});
codes!(event_code, event, EventKind, "event", {
    Sent = 1, Accepted = 2, Resent = 3, Replied = 4, Ignored = 5, Restored = 6, Declined = 7, Withdrawn = 8,
    Expired = 9, Voided = 10, Disconnected = 11, Reminded = 12, RemindersStopped = 13,
});

/// A count as its column holds it.
pub(super) fn count(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A small count as its column holds it.
pub(super) fn small(value: usize) -> i16 {
    i16::try_from(value).unwrap_or(i16::MAX)
}

pub(super) fn read_count(value: impl TryInto<usize>, column: &'static str) -> Result<usize, DieselError> {
    value.try_into().map_err(|_| impossible(column))
}

/// Refusals are numbered from here.
const REFUSED: i16 = 100;

pub(super) fn outcome_code(outcome: Outcome) -> i16 {
    match outcome {
        Outcome::Sent { .. } => 1,
        Outcome::Connected => 2,
        Outcome::Upserted => 4,
        Outcome::Invitation(_) => 5,
        Outcome::Done => 6,
        Outcome::Refused(refusal) => REFUSED + refusal.code(),
    }
}

pub(super) fn outcome(
    code: i16,
    subject: Option<uuid::Uuid>,
    until: Option<Timestamp>,
    snapshot: Option<&[u8]>,
) -> Result<Outcome, DieselError> {
    match (code, subject, until, snapshot) {
        (1, Some(id), Some(until), None) => Ok(Outcome::Sent { id, until }),
        (2, None, None, None) => Ok(Outcome::Connected),
        (4, None, None, None) => Ok(Outcome::Upserted),
        (5, None, None, Some(bytes)) => read_snapshot(bytes).map(Outcome::Invitation),
        (6, None, None, None) => Ok(Outcome::Done),
        (REFUSED.., None, None, None) => Refusal::from_code(code - REFUSED)
            .map(Outcome::Refused)
            .ok_or_else(|| impossible("outcome")),
        _ => Err(impossible("outcome")),
    }
}

/// Lifecycle, folder and replies as a byte each; sequence, last send, expiry and end as eight bytes each, big-endian.
pub(super) fn snapshot_to_bytes(snapshot: Snapshot) -> Vec<u8> {
    let small = [
        lifecycle_code(snapshot.lifecycle),
        folder_code(snapshot.folder),
        small(snapshot.replies),
    ];
    let mut bytes: Vec<u8> = small.map(|code| u8::try_from(code).unwrap_or(u8::MAX)).to_vec();
    let closed_at = snapshot.closed_at.map_or(i64::MIN, |at| at.as_millisecond());
    for number in [
        snapshot.sequence,
        snapshot.sent_at.as_millisecond(),
        snapshot.expires_at.as_millisecond(),
        closed_at,
    ] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes
}

fn read_snapshot(bytes: &[u8]) -> Result<Snapshot, DieselError> {
    let wrong = || impossible("snapshot");
    let (small, numbers) = bytes.split_first_chunk::<3>().ok_or_else(wrong)?;
    let (numbers, rest) = numbers.as_chunks::<8>();
    let &[sequence, sent_at, expires_at, closed_at] = numbers else {
        return Err(wrong());
    };
    if !rest.is_empty() {
        return Err(wrong());
    }
    let at = |bytes| Timestamp::from_millisecond(i64::from_be_bytes(bytes)).map_err(|_| wrong());
    let is_closed = i64::from_be_bytes(closed_at) != i64::MIN;
    Ok(Snapshot {
        lifecycle: lifecycle(small[0].into())?,
        folder: folder(small[1].into())?,
        replies: small[2].into(),
        sequence: i64::from_be_bytes(sequence),
        sent_at: at(sent_at)?,
        expires_at: at(expires_at)?,
        closed_at: is_closed.then(|| at(closed_at)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_log_survives_its_column() {
        let log = TimeLog::new(
            (0..5)
                .map(|s| Timestamp::from_second(s * 1_000).expect("in range"))
                .collect(),
        );
        assert_eq!(times_from_bytes(&times_to_bytes(&log)).expect("whole"), log);
        assert!(times_from_bytes(&[0; 7]).is_err());
        assert!(times_from_bytes(&[255; 8]).is_ok());
        assert!(times_from_bytes(&i64::MAX.to_be_bytes()).is_err());
    }

    #[test]
    fn a_snapshot_survives_its_column() {
        let at = |s| Timestamp::from_second(s).expect("in range");
        for closed_at in [None, Some(at(30))] {
            let snapshot = Snapshot {
                lifecycle: Lifecycle::Withdrawn,
                folder: Folder::Archived,
                sequence: 7,
                replies: 10,
                sent_at: at(10),
                expires_at: at(20),
                closed_at,
            };
            let bytes = snapshot_to_bytes(snapshot);
            assert_eq!(read_snapshot(&bytes).expect("whole"), snapshot);
            assert!(read_snapshot(&bytes[1..]).is_err());
        }
    }
}
