//! Wire → domain. Nothing is done before everything is right.

use jiff::Timestamp;
use proto::notify::v1 as wire;
use shell::{clock, fields::Violations};
use tonic::Status;

use super::DOMAIN;
use crate::domain::{
    command::{Cancel, Command, Queue},
    email::{Acceptance, Content, Initial, Letter, Recipient},
    fingerprint::{self, Cause, Event},
};

const MAX_COMMANDS: usize = 500;
const MAX_NAME_CHARS: usize = 100;
const MAX_NOTE_CHARS: usize = 300;
const MAX_NAMES: usize = 3;

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
        Some(Wire::Queue(command)) => queue(&mut violations, &format!("{at}.queue"), command),
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
    })
}

/// None only after a violation.
fn queue(violations: &mut Violations, at: &str, command: wire::QueueEmail) -> Option<Command> {
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
    use wire::queue_email::Content as Wire;
    let (content, connection_id) = match &command.content {
        Some(Wire::Initial(email)) => (
            Content::Initial(initial(violations, &field("initial"), email)),
            None,
        ),
        Some(Wire::Acceptance(email)) => {
            let at = field("acceptance");
            let connection_id = violations.uuid(&format!("{at}.connection_id"), &email.connection_id);
            (
                Content::Acceptance(acceptance(violations, &at, email)),
                Some(connection_id),
            )
        }
        None => {
            violations.add(field("content"), "must be an initial or an acceptance email");
            return None;
        }
    };
    let cause = match &content {
        Content::Initial(email) => Cause::Initial { note: &email.note },
        Content::Acceptance(_) => Cause::Acceptance {
            connection_id: connection_id.unwrap_or_default(),
        },
    };
    let event = Event {
        invitation_id,
        sequence,
        member_id,
        event_time,
        cause,
    };
    Some(Command::Queue(Box::new(Queue {
        key: command.key,
        fingerprint: fingerprint::of(&event),
        invitation_id,
        sequence,
        member_id,
        event_time,
        letter: Letter { recipient, content },
    })))
}

fn sequence(violations: &mut Violations, at: &str, sequence: i64) -> i64 {
    if sequence < 1 {
        violations.add(format!("{at}.sequence"), "must be 1 or more");
    }
    sequence
}

/// A time since 1970: what is before it no event of ours, and too early for Postgres at some point.
fn event_time(violations: &mut Violations, field: &str, at: Option<&prost_types::Timestamp>) -> Timestamp {
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
        time_zone: violations.time_zone(&field("time_zone"), &recipient.time_zone),
    }
}

fn initial(violations: &mut Violations, at: &str, email: &wire::InitialEmail) -> Initial {
    let field = |name: &str| format!("{at}.{name}");
    violations.uuid(&field("inviter_id"), &email.inviter_id);
    Initial {
        inviter_name: violations.line(&field("inviter_name"), &email.inviter_name, MAX_NAME_CHARS),
        note: violations.text(&field("note"), &email.note, MAX_NOTE_CHARS),
        accept_url: violations.url(&field("accept_url"), &email.accept_url),
        inviter_profile_url: violations.url(&field("inviter_profile_url"), &email.inviter_profile_url),
        inbox_url: violations.url(&field("inbox_url"), &email.inbox_url),
    }
}

fn acceptance(violations: &mut Violations, at: &str, email: &wire::AcceptanceEmail) -> Acceptance {
    let field = |name: &str| format!("{at}.{name}");
    for (name, count) in [
        ("total_count", email.total_count),
        ("shared_count", email.shared_count),
    ] {
        if count < 0 {
            violations.add(field(name), "must not be negative");
        }
    }
    if email.names.len() > MAX_NAMES {
        violations.add(field("names"), format!("must have at most {MAX_NAMES} names"));
    }
    let names = email.names.iter().take(MAX_NAMES).enumerate();
    let names = names.map(|(i, name)| violations.line(&field(&format!("names[{i}]")), name, MAX_NAME_CHARS));
    Acceptance {
        names: names.collect(),
        connection_name: violations.line(&field("connection_name"), &email.connection_name, MAX_NAME_CHARS),
        connection_address: violations.email(&field("connection_address"), &email.connection_address),
        connection_profile_url: violations
            .url(&field("connection_profile_url"), &email.connection_profile_url),
        total_count: email.total_count,
        shared_count: email.shared_count,
    }
}
