//! How the domain's values are written in columns. A value that cannot be is refused when it is read.

use diesel::result::Error as DieselError;
use jiff::Timestamp;
use jiff_diesel::ToDiesel;

use crate::domain::{
    invitation::{Folder, Lifecycle},
    member::InvitationPolicy,
    refusal::Refusal,
    request::Outcome,
    send_log::SendLog,
    transition::EventKind,
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
pub(super) fn sends_to_bytes(log: &SendLog) -> Vec<u8> {
    log.times()
        .iter()
        .flat_map(|at| at.as_millisecond().to_be_bytes())
        .collect()
}

pub(super) fn sends_from_bytes(bytes: &[u8]) -> Result<SendLog, DieselError> {
    let (times, rest) = bytes.as_chunks::<8>();
    let times = times
        .iter()
        .map(|eight| Timestamp::from_millisecond(i64::from_be_bytes(*eight)));
    match times.collect() {
        Ok(times) if rest.is_empty() => Ok(SendLog::new(times)),
        _ => Err(impossible("sends")),
    }
}

pub(super) fn lifecycle_code(lifecycle: Lifecycle) -> i16 {
    match lifecycle {
        Lifecycle::Pending => 1,
        Lifecycle::Accepted => 2,
    }
}

pub(super) fn lifecycle(code: i16) -> Result<Lifecycle, DieselError> {
    match code {
        1 => Ok(Lifecycle::Pending),
        2 => Ok(Lifecycle::Accepted),
        _ => Err(impossible("lifecycle")),
    }
}

pub(super) fn folder_code(folder: Folder) -> i16 {
    match folder {
        Folder::Inbox => 1,
        Folder::Archived => 2,
    }
}

pub(super) fn folder(code: i16) -> Result<Folder, DieselError> {
    match code {
        1 => Ok(Folder::Inbox),
        2 => Ok(Folder::Archived),
        _ => Err(impossible("folder")),
    }
}

pub(super) fn policy_code(policy: InvitationPolicy) -> i16 {
    match policy {
        InvitationPolicy::Everyone => 1,
        InvitationPolicy::KnowsMyEmail => 2,
    }
}

pub(super) fn policy(code: i16) -> Result<InvitationPolicy, DieselError> {
    match code {
        1 => Ok(InvitationPolicy::Everyone),
        2 => Ok(InvitationPolicy::KnowsMyEmail),
        _ => Err(impossible("invitation_policy")),
    }
}

pub(super) fn event_code(kind: EventKind) -> i16 {
    match kind {
        EventKind::Sent => 1,
        EventKind::Accepted => 2,
    }
}

pub(super) fn event(code: i16) -> Result<EventKind, DieselError> {
    match code {
        1 => Ok(EventKind::Sent),
        2 => Ok(EventKind::Accepted),
        _ => Err(impossible("event")),
    }
}

/// Refusals are numbered from here.
const REFUSED: i16 = 100;

pub(super) fn outcome_code(outcome: Outcome) -> i16 {
    match outcome {
        Outcome::Sent { .. } => 1,
        Outcome::Connected => 2,
        Outcome::Accepted => 3,
        Outcome::Upserted => 4,
        Outcome::Refused(refusal) => REFUSED + refusal.code(),
    }
}

pub(super) fn outcome(
    code: i16,
    subject: Option<uuid::Uuid>,
    until: Option<Timestamp>,
) -> Result<Outcome, DieselError> {
    match (code, subject, until) {
        (1, Some(id), Some(until)) => Ok(Outcome::Sent { id, until }),
        (2, None, None) => Ok(Outcome::Connected),
        (3, None, None) => Ok(Outcome::Accepted),
        (4, None, None) => Ok(Outcome::Upserted),
        (REFUSED.., None, None) => Refusal::from_code(code - REFUSED)
            .map(Outcome::Refused)
            .ok_or_else(|| impossible("outcome")),
        _ => Err(impossible("outcome")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_log_survives_its_column() {
        let log = SendLog::new(
            (0..5)
                .map(|s| Timestamp::from_second(s * 1_000).expect("in range"))
                .collect(),
        );
        assert_eq!(sends_from_bytes(&sends_to_bytes(&log)).expect("whole"), log);
        assert!(sends_from_bytes(&[0; 7]).is_err());
        assert!(sends_from_bytes(&[255; 8]).is_ok());
        assert!(sends_from_bytes(&i64::MAX.to_be_bytes()).is_err());
    }
}
