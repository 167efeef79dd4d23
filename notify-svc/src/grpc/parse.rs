//! Wire → domain. Nothing is done before everything is right.

mod content;

use jiff::Timestamp;
use proto::notify::v1 as wire;
use shell::{clock, fields::Violations};
use tonic::Status;

use self::content::Parsed;
use super::DOMAIN;
use crate::domain::{
    command::{Cancel, Command, Queue},
    email::{Letter, Recipient, State},
    fence::Scope,
    fingerprint::{self, Event},
    kind::Kind,
};

const MAX_COMMANDS: usize = 500;
const MAX_NAME_CHARS: usize = 100;

/// The commands of a request, or the violations of the first command that has any: those of 500 commands would not
/// fit into the trailers of an answer.
pub(super) fn commands(request: wire::ApplyEmailCommandsRequest) -> Result<Vec<Command>, Status> {
    let mut violations = Violations::default();
    if !(1..=MAX_COMMANDS).contains(&request.commands.len()) {
        violations.add("commands", format!("must have 1 to {MAX_COMMANDS} commands"));
    }
    violations.into_result(DOMAIN, ())?;
    let numbered = request.commands.into_iter().enumerate();
    numbered
        .map(|(index, command)| one(&format!("commands[{index}]"), command))
        .collect()
}

fn one(at: &str, command: wire::EmailCommand) -> Result<Command, Status> {
    use wire::email_command::Command as Wire;
    let mut violations = Violations::default();
    let command = match command.command {
        Some(Wire::Queue(command)) => queue(&mut violations, &format!("{at}.queue"), command)
            .map(|queue| Command::Queue(Box::new(queue))),
        Some(Wire::Cancel(command)) => Some(cancel(&mut violations, &format!("{at}.cancel"), &command)),
        None => {
            violations.add(at, "must be a queue or a cancel command");
            None
        }
    };
    let command = violations.into_result(DOMAIN, command)?;
    Ok(command.expect("without a violation there is a command"))
}

fn cancel(violations: &mut Violations, at: &str, command: &wire::CancelEmails) -> Command {
    Command::Cancel(Cancel {
        invitation_id: violations.uuid(&format!("{at}.invitation_id"), &command.invitation_id),
        sequence: sequence(violations, at, command.sequence),
        scope: scope(violations, at, command.scope),
    })
}

/// A cancel of a scope that is new to us must not stop more or less than its caller meant, so it is refused.
fn scope(violations: &mut Violations, at: &str, number: i32) -> Scope {
    use wire::CancelScope as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::All) => Scope::All,
        Ok(Wire::Invitation) => Scope::Invitation,
        Ok(Wire::Reminders) => Scope::Reminders,
        Err(_) => {
            violations.add(format!("{at}.scope"), "must be a scope that this service knows");
            Scope::All
        }
    }
}

/// None only after a violation.
pub(super) fn queue(violations: &mut Violations, at: &str, command: wire::QueueEmail) -> Option<Queue> {
    let field = |name: &str| format!("{at}.{name}");
    let visible = command.key.bytes().all(|byte| byte.is_ascii_graphic());
    if !(1..=128).contains(&command.key.len()) || !visible {
        violations.add(field("key"), "must be 1 to 128 visible ASCII characters");
    }
    let invitation_id = violations.uuid(&field("invitation_id"), &command.invitation_id);
    let sequence = sequence(violations, at, command.sequence);
    let event_time = event_time(violations, &field("event_time"), command.event_time.as_ref());
    let Some(recipient) = command.recipient else {
        violations.add(field("recipient"), "must be set");
        return None;
    };
    let member_id = violations.uuid(&field("recipient.member_id"), &recipient.member_id);
    let recipient = reader(violations, &field("recipient"), &recipient);
    let Some(content) = command.content else {
        violations.add(
            field("content"),
            "must be an email of a kind that this service knows",
        );
        return None;
    };
    let Parsed {
        content,
        cause_id,
        named_ids,
    } = content::parse(violations, at, content);
    let event = Event {
        invitation_id,
        sequence,
        member_id,
        event_time,
        cause: content::cause(&content, cause_id),
    };
    Some(Queue {
        key: command.key,
        fingerprint: fingerprint::of(&event),
        invitation_id,
        sequence,
        member_id,
        other_id: cause_id,
        named_ids,
        event_time,
        letter: Letter { recipient, content },
    })
}

/// A state to narrow a list to; none where it is unspecified.
pub(super) fn any_state(violations: &mut Violations, field: &str, number: i32) -> Option<State> {
    use wire::EmailState as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified) => None,
        Ok(Wire::Open) => Some(State::Open),
        Ok(Wire::Sent) => Some(State::Sent),
        Ok(Wire::Cancelled) => Some(State::Cancelled),
        Ok(Wire::Expired) => Some(State::Expired),
        Ok(Wire::Dead) => Some(State::Dead),
        Ok(Wire::Uncertain) => Some(State::Uncertain),
        Ok(Wire::PreferenceOff) => Some(State::PreferenceOff),
        Ok(Wire::Suppressed) => Some(State::Suppressed),
        Err(_) => {
            violations.add(field, "must be a state that this service knows");
            None
        }
    }
}

/// A kind to narrow a list to; none where it is unspecified.
pub(super) fn any_kind(violations: &mut Violations, field: &str, number: i32) -> Option<Kind> {
    use wire::EmailKind as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified) => None,
        Ok(Wire::Initial) => Some(Kind::Initial),
        Ok(Wire::Reminder) => Some(Kind::Reminder),
        Ok(Wire::Acceptance) => Some(Kind::Acceptance),
        Ok(Wire::Reply) => Some(Kind::Reply),
        Err(_) => {
            violations.add(field, "must be a kind that this service knows");
            None
        }
    }
}

/// None only after a violation.
pub(super) fn kind(violations: &mut Violations, field: &str, number: i32) -> Option<Kind> {
    if number == wire::EmailKind::Unspecified as i32 {
        violations.add(field, "must be a kind of email");
    }
    any_kind(violations, field, number)
}

fn sequence(violations: &mut Violations, at: &str, sequence: i64) -> i64 {
    if sequence < 1 {
        violations.add(format!("{at}.sequence"), "must be 1 or more");
    }
    sequence
}

/// A time since 1970: what is before it no event of ours, and too early for Postgres at some point.
pub(super) fn event_time(
    violations: &mut Violations,
    field: &str,
    at: Option<&prost_types::Timestamp>,
) -> Timestamp {
    let at = at
        .and_then(clock::from_proto)
        .filter(|at| *at >= Timestamp::UNIX_EPOCH);
    at.unwrap_or_else(|| {
        violations.add(field, "must be a time between 1970 and 9999");
        Timestamp::UNIX_EPOCH
    })
}

fn reader(violations: &mut Violations, at: &str, recipient: &wire::EmailRecipient) -> Recipient {
    let field = |name: &str| format!("{at}.{name}");
    Recipient {
        name: violations.line(&field("name"), &recipient.name, MAX_NAME_CHARS),
        address: violations.email(&field("address"), &recipient.address),
        locale: violations.locale(&field("locale"), &recipient.locale),
        // One that is new to this machine is no reason to lose the email: it is taken for UTC.
        time_zone: violations.time_zone_name(&field("time_zone"), &recipient.time_zone),
    }
}

#[cfg(test)]
mod tests;
