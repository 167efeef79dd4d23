//! What an email says.

use proto::notify::v1::{self as wire, queue_email::Content as Wire};
use shell::fields::Violations;
use uuid::Uuid;

use super::MAX_NAME_CHARS;
use crate::domain::{
    email::{Acceptance, Content, Initial, Invitation, Reminder, Reply, reminders_unless_told},
    fingerprint::Cause,
};

const MAX_NOTE_CHARS: usize = 300;
const MAX_REPLY_CHARS: usize = 1_900;
const MAX_NAMES: usize = 3;

/// A content, and the id that its event fixed but no reader gets to see.
pub(super) struct Parsed {
    pub(super) content: Content,
    /// The inviter, the new connection, the replier.
    pub(super) cause_id: Uuid,
    /// Members whom it names beside reader and cause.
    pub(super) named_ids: Vec<Uuid>,
}

pub(super) fn parse(violations: &mut Violations, at: &str, content: Wire) -> Parsed {
    match content {
        Wire::Initial(email) => {
            let at = format!("{at}.initial");
            Parsed {
                cause_id: violations.uuid(&format!("{at}.inviter_id"), &email.inviter_id),
                content: Content::Initial(initial(violations, &at, &email)),
                named_ids: Vec::new(),
            }
        }
        Wire::Reminder(email) => {
            let at = format!("{at}.reminder");
            Parsed {
                cause_id: violations.uuid(&format!("{at}.inviter_id"), &email.inviter_id),
                content: Content::Reminder(reminder(violations, &at, email)),
                named_ids: Vec::new(),
            }
        }
        Wire::Acceptance(email) => {
            let at = format!("{at}.acceptance");
            Parsed {
                cause_id: violations.uuid(&format!("{at}.connection_id"), &email.connection_id),
                content: Content::Acceptance(acceptance(violations, &at, &email)),
                named_ids: named_ids(violations, &at, &email),
            }
        }
        Wire::Reply(email) => {
            let at = format!("{at}.reply");
            Parsed {
                cause_id: violations.uuid(&format!("{at}.replier_id"), &email.replier_id),
                content: Content::Reply(reply(violations, &at, &email)),
                named_ids: Vec::new(),
            }
        }
    }
}

/// The part of a content that its fingerprint covers.
pub(super) fn cause(content: &Content, cause_id: Uuid) -> Cause<'_> {
    match content {
        Content::Initial(email) => Cause::Initial {
            note: &email.invitation.note,
        },
        Content::Reminder(email) => Cause::Reminder {
            note: &email.invitation.note,
            number: email.number,
        },
        Content::Acceptance(_) => Cause::Acceptance {
            connection_id: cause_id,
        },
        Content::Reply(email) => Cause::Reply {
            replier_id: cause_id,
            text: &email.text,
        },
    }
}

fn initial(violations: &mut Violations, at: &str, email: &wire::InitialEmail) -> Initial {
    Initial {
        invitation: invitation(violations, at, email),
        remaining_count: remaining_count(
            violations,
            at,
            email.remaining_count.unwrap_or(reminders_unless_told()),
        ),
    }
}

fn remaining_count(violations: &mut Violations, at: &str, count: i32) -> i32 {
    if count < 0 {
        violations.add(format!("{at}.remaining_count"), "must not be negative");
    }
    count
}

fn invitation(violations: &mut Violations, at: &str, email: &wire::InitialEmail) -> Invitation {
    let field = |name: &str| format!("{at}.{name}");
    Invitation {
        inviter_name: violations.line(&field("inviter_name"), &email.inviter_name, MAX_NAME_CHARS),
        note: violations.text(&field("note"), &email.note, MAX_NOTE_CHARS),
        accept_url: violations.url(&field("accept_url"), &email.accept_url),
        inviter_profile_url: violations.url(&field("inviter_profile_url"), &email.inviter_profile_url),
        inbox_url: violations.url(&field("inbox_url"), &email.inbox_url),
    }
}

/// The fields that it shares with an initial email are checked as those of one.
fn reminder(violations: &mut Violations, at: &str, email: wire::ReminderEmail) -> Reminder {
    let shared = wire::InitialEmail {
        inviter_id: email.inviter_id,
        inviter_name: email.inviter_name,
        note: email.note,
        accept_url: email.accept_url,
        inviter_profile_url: email.inviter_profile_url,
        inbox_url: email.inbox_url,
        remaining_count: None,
    };
    let invitation = invitation(violations, at, &shared);
    if email.number < 1 {
        violations.add(format!("{at}.number"), "must be 1 or more");
    }
    Reminder {
        invitation,
        number: email.number,
        remaining_count: remaining_count(violations, at, email.remaining_count),
    }
}

fn reply(violations: &mut Violations, at: &str, email: &wire::ReplyEmail) -> Reply {
    let field = |name: &str| format!("{at}.{name}");
    if email.text.is_empty() {
        violations.add(field("text"), "must not be empty");
    }
    Reply {
        replier_name: violations.line(&field("replier_name"), &email.replier_name, MAX_NAME_CHARS),
        text: violations.text(&field("text"), &email.text, MAX_REPLY_CHARS),
        invitation_url: violations.url(&field("invitation_url"), &email.invitation_url),
        replier_profile_url: violations.url(&field("replier_profile_url"), &email.replier_profile_url),
    }
}

fn named_ids(violations: &mut Violations, at: &str, email: &wire::AcceptanceEmail) -> Vec<Uuid> {
    let field = format!("{at}.named_ids");
    // A version of the caller's from before this field names nobody.
    if !email.named_ids.is_empty() && email.named_ids.len() != email.names.len() {
        violations.add(&field, "must have as many ids as there are names, or none");
    }
    let ids = email.named_ids.iter().take(MAX_NAMES).enumerate();
    ids.map(|(i, id)| violations.uuid(&format!("{field}[{i}]"), id))
        .collect()
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
