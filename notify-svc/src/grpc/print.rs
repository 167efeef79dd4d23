//! Domain → wire.

use proto::notify::v1 as wire;
use shell::clock::to_proto;

use crate::{
    domain::{
        address::AddressHash,
        command::{Answer, Counts},
        email::State,
        kind::Kind,
        preferences::Preferences,
        reply::Step,
    },
    store::{self, Event, Reason, Suppression, What},
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

fn email_kind(kind: Kind) -> wire::EmailKind {
    match kind {
        Kind::Initial => wire::EmailKind::Initial,
        Kind::Reminder => wire::EmailKind::Reminder,
        Kind::Acceptance => wire::EmailKind::Acceptance,
        Kind::Reply => wire::EmailKind::Reply,
    }
}

pub(super) fn email(email: &store::Email) -> wire::Email {
    let recipient = email.letter.as_ref().map(|letter| &letter.recipient);
    wire::Email {
        email_id: email.id.to_string(),
        kind: email_kind(email.kind).into(),
        state: email_state(email.state).into(),
        invitation_id: email.invitation_id.to_string(),
        sequence: email.sequence,
        member_id: email.member_id.to_string(),
        address: recipient.map_or_else(String::new, |recipient| recipient.address.clone()),
        locale: recipient.map_or_else(String::new, |recipient| recipient.locale.clone()),
        message_id: email.message_id.clone(),
        event_time: Some(to_proto(email.event_time)),
        create_time: Some(to_proto(email.created_at)),
        final_time: email.final_at.map(to_proto),
        next_attempt_time: email.due.as_ref().map(|due| to_proto(due.run_at)),
        claimed: email.due.as_ref().is_some_and(|due| due.claimed),
        doubted: email.due.as_ref().is_some_and(|due| due.doubted),
    }
}

pub(super) fn event(event: Event) -> wire::EmailEvent {
    use wire::email_event::Event as Wire;
    let what = match event.what {
        What::Attempt {
            step,
            code,
            reply,
            relay,
        } => Wire::Attempt(wire::EmailAttempt {
            step: email_step(step).into(),
            code: code.unwrap_or_default().into(),
            reply,
            relay,
        }),
        What::Bounce { status, diagnostic } => Wire::Bounce(wire::EmailBounce { status, diagnostic }),
        What::Act { client, rpc, note } => Wire::Act(wire::EmailAct { client, rpc, note }),
    };
    wire::EmailEvent {
        time: Some(to_proto(event.at)),
        event: Some(what),
    }
}

fn email_step(step: Step) -> wire::EmailStep {
    match step {
        Step::Compose => wire::EmailStep::Compose,
        Step::Connect => wire::EmailStep::Connect,
        Step::Mail => wire::EmailStep::Mail,
        Step::Rcpt => wire::EmailStep::Rcpt,
        Step::Data => wire::EmailStep::Data,
        Step::Body => wire::EmailStep::Body,
    }
}

pub(super) fn suppression(suppression: Suppression) -> wire::Suppression {
    let reason = match suppression.reason {
        Reason::Refused => wire::SuppressionReason::Refused,
        Reason::Bounced => wire::SuppressionReason::Bounced,
    };
    wire::Suppression {
        address_sha256: hex(suppression.address),
        reason: reason.into(),
        diagnostic: suppression.diagnostic,
        email_id: suppression.email_id.to_string(),
        create_time: Some(to_proto(suppression.created_at)),
    }
}

/// A hash in lower-case hex.
pub(super) fn hex(hash: AddressHash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}
