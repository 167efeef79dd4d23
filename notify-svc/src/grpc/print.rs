//! Domain → wire.

use proto::notify::v1 as wire;

use crate::domain::{
    command::{Answer, Counts},
    email::State,
    kind::Kind,
    preferences::Preferences,
};

pub(super) fn answers(answers: &[Answer]) -> wire::ApplyEmailCommandsResponse {
    wire::ApplyEmailCommandsResponse {
        results: answers.iter().map(result).collect(),
    }
}

fn result(answer: &Answer) -> wire::EmailCommandResult {
    use wire::email_command_result::Result;
    let result = match answer {
        Answer::Queued { email_id, state } => Result::Queue(wire::QueueEmailResult {
            email_id: email_id.to_string(),
            state: email_state(*state).into(),
        }),
        Answer::Cancelled(Counts {
            cancelled,
            sent,
            in_flight,
        }) => Result::Cancel(wire::CancelEmailsResult {
            cancelled_count: count(*cancelled),
            already_sent_count: count(*sent),
            in_flight_count: count(*in_flight),
        }),
    };
    wire::EmailCommandResult { result: Some(result) }
}

pub(super) fn count(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

pub(super) fn preferences(preferences: &Preferences) -> wire::Preferences {
    wire::Preferences {
        invitations: preferences.wants(Kind::Initial),
        reminders: preferences.wants(Kind::Reminder),
        acceptances: preferences.wants(Kind::Acceptance),
        replies: preferences.wants(Kind::Reply),
        restrict_email_contact: preferences.contact_restricted,
    }
}

fn email_state(state: State) -> wire::EmailState {
    match state {
        State::Open => wire::EmailState::Open,
        State::Sent => wire::EmailState::Sent,
        State::Cancelled => wire::EmailState::Cancelled,
        State::Expired => wire::EmailState::Expired,
        State::Dead => wire::EmailState::Dead,
        State::Uncertain => wire::EmailState::Uncertain,
        State::PreferenceOff => wire::EmailState::PreferenceOff,
        State::Suppressed => wire::EmailState::Suppressed,
    }
}
