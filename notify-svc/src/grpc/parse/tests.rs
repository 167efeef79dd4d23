use proto::notify::v1::{CancelScope, queue_email::Content as Wire};
use tonic::Code;
use tonic_types::StatusExt;

use super::*;
use crate::domain::{email::Content, kind::Kind};

const ID: &str = "0190a8a0-5f1c-7cc3-98c4-dc0c0c07398f";
const URL: &str = "https://example.com/x";

fn initial() -> wire::InitialEmail {
    wire::InitialEmail {
        inviter_id: ID.to_owned(),
        inviter_name: "Ada".to_owned(),
        note: "Hello!".to_owned(),
        accept_url: URL.to_owned(),
        inviter_profile_url: URL.to_owned(),
        inbox_url: URL.to_owned(),
        remaining_count: None,
    }
}

fn reminder() -> wire::ReminderEmail {
    wire::ReminderEmail {
        inviter_id: ID.to_owned(),
        inviter_name: "Ada".to_owned(),
        note: "Hello!".to_owned(),
        accept_url: URL.to_owned(),
        inviter_profile_url: URL.to_owned(),
        inbox_url: URL.to_owned(),
        number: 1,
        remaining_count: 0,
    }
}

fn reply(text: &str) -> wire::ReplyEmail {
    wire::ReplyEmail {
        replier_id: ID.to_owned(),
        replier_name: "Ada".to_owned(),
        text: text.to_owned(),
        invitation_url: URL.to_owned(),
        replier_profile_url: URL.to_owned(),
    }
}

fn acceptance() -> wire::AcceptanceEmail {
    wire::AcceptanceEmail {
        connection_id: ID.to_owned(),
        connection_name: "Ada".to_owned(),
        connection_address: "ada@example.com".to_owned(),
        connection_profile_url: URL.to_owned(),
        total_count: 1,
        shared_count: 0,
        names: Vec::new(),
        named_ids: Vec::new(),
    }
}

fn parsed(command: wire::email_command::Command) -> Result<Command, Status> {
    let command = wire::EmailCommand {
        command: Some(command),
    };
    one("c", command)
}

fn queued(content: Wire) -> Result<Queue, Status> {
    let command = wire::QueueEmail {
        key: "key".to_owned(),
        invitation_id: ID.to_owned(),
        sequence: 1,
        event_time: Some(prost_types::Timestamp {
            seconds: 1_800_000_000,
            nanos: 0,
        }),
        recipient: Some(wire::EmailRecipient {
            member_id: ID.to_owned(),
            name: "Bob".to_owned(),
            address: "bob@example.com".to_owned(),
            ..Default::default()
        }),
        content: Some(content),
    };
    match parsed(wire::email_command::Command::Queue(command))? {
        Command::Queue(queue) => Ok(*queue),
        Command::Cancel(cancel) => panic!("{cancel:?}"),
    }
}

fn cancelled(scope: i32) -> Result<Scope, Status> {
    let command = wire::CancelEmails {
        invitation_id: ID.to_owned(),
        sequence: 2,
        scope,
    };
    match parsed(wire::email_command::Command::Cancel(command))? {
        Command::Cancel(cancel) => Ok(cancel.scope),
        Command::Queue(queue) => panic!("{queue:?}"),
    }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Status>) -> Vec<String> {
    let status = outcome.expect_err("something is wrong");
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let violations = &details.bad_request().expect("names the fields").field_violations;
    violations.iter().map(|v| v.field.clone()).collect()
}

#[test]
fn each_content_becomes_an_email_of_its_kind() {
    for (content, kind) in [
        (Wire::Initial(initial()), Kind::Initial),
        (Wire::Reminder(reminder()), Kind::Reminder),
        (Wire::Acceptance(acceptance()), Kind::Acceptance),
        (Wire::Reply(reply("Maybe.")), Kind::Reply),
    ] {
        assert_eq!(queued(content).expect("right").kind(), kind);
    }
}

#[test]
fn whom_an_acceptance_names_is_told_for_every_name_or_for_none() {
    let naming = |named_ids: &[&str]| {
        let content = Wire::Acceptance(wire::AcceptanceEmail {
            names: vec!["Cleo".to_owned(), "Dan".to_owned()],
            named_ids: named_ids.iter().map(|id| (*id).to_owned()).collect(),
            ..acceptance()
        });
        queued(content)
    };
    assert!(naming(&[]).expect("right").named_ids.is_empty());
    assert_eq!(naming(&[ID, ID]).expect("right").named_ids.len(), 2);
    assert_eq!(refused(naming(&[ID])), ["c.queue.acceptance.named_ids"]);
    assert_eq!(refused(naming(&[ID, "x"])), ["c.queue.acceptance.named_ids[1]"]);
}

#[test]
fn a_letter_comes_out_of_its_row_as_it_went_in() {
    for content in [
        Wire::Initial(initial()),
        Wire::Reminder(reminder()),
        Wire::Acceptance(acceptance()),
        Wire::Reply(reply("Maybe.")),
    ] {
        let letter = queued(content).expect("right").letter;
        let row = serde_json::to_string(&letter).expect("a letter is JSON");
        assert_eq!(serde_json::from_str::<Letter>(&row).expect(&row), letter);
    }
}

/// Letters of before, and callers that do not say it.
#[test]
fn where_nobody_says_how_many_reminders_follow_it_is_two() {
    let letter = |content| queued(content).expect("right").letter;
    let mut row = serde_json::to_value(letter(Wire::Initial(initial()))).expect("a letter is JSON");
    let removed = row["content"]
        .as_object_mut()
        .and_then(|content| content.remove("remaining_count"));
    assert_eq!(removed, Some(2.into()));
    assert_eq!(
        serde_json::from_value::<Letter>(row).expect("readable"),
        letter(Wire::Initial(initial()))
    );
    let told = |count| wire::InitialEmail {
        remaining_count: Some(count),
        ..initial()
    };
    let row = serde_json::to_value(letter(Wire::Initial(told(0)))).expect("a letter is JSON");
    assert_eq!(row["content"]["remaining_count"], 0);
    assert_eq!(
        refused(queued(Wire::Initial(told(-1)))),
        ["c.queue.initial.remaining_count"]
    );
}

#[test]
fn a_time_zone_that_is_new_to_this_machine_loses_no_email() {
    let zone = |name: &str| {
        let mut violations = Violations::default();
        let recipient = wire::EmailRecipient {
            member_id: ID.to_owned(),
            name: "Bob".to_owned(),
            address: "bob@example.com".to_owned(),
            time_zone: name.to_owned(),
            ..Default::default()
        };
        let read = reader(&mut violations, "r", &recipient).time_zone;
        violations.into_result(DOMAIN, read)
    };
    for (name, read) in [
        ("", "UTC"),
        ("Europe/Oslo", "Europe/Oslo"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Etc/GMT+5", "Etc/GMT+5"),
        ("Mars/Olympus", "Mars/Olympus"),
    ] {
        assert_eq!(zone(name).expect("right"), read);
    }
    for wrong in ["../UTC", "/UTC", "UTC/", "Europe Oslo", "a\0b", &"x".repeat(65)] {
        assert_eq!(refused(zone(wrong)), ["r.time_zone"], "{wrong}");
    }
}

#[test]
fn a_reminder_is_checked_as_an_initial_email_and_its_numbers_too() {
    let wrong = wire::ReminderEmail {
        inviter_id: "x".to_owned(),
        inviter_name: String::new(),
        note: "x".repeat(301),
        accept_url: "javascript:alert(1)".to_owned(),
        inviter_profile_url: String::new(),
        inbox_url: "/relative".to_owned(),
        number: 0,
        remaining_count: -1,
    };
    let fields = [
        "inviter_id",
        "inviter_name",
        "note",
        "accept_url",
        "inviter_profile_url",
        "inbox_url",
        "number",
        "remaining_count",
    ];
    let expected = fields.map(|name| format!("c.queue.reminder.{name}"));
    assert_eq!(refused(queued(Wire::Reminder(wrong))), expected);
}

#[test]
fn a_reply_has_1_to_1900_characters() {
    for right in ["!".to_owned(), "é".repeat(1_900), "two\r\nlines".to_owned()] {
        let queue = queued(Wire::Reply(reply(&right))).expect("right");
        let Content::Reply(email) = queue.letter.content else {
            panic!("{:?}", queue.letter.content);
        };
        assert_eq!(email.text, right.replace("\r\n", "\n"));
    }
    for wrong in [
        "".to_owned(),
        "é".repeat(1_901),
        "a\0".to_owned(),
        "x".repeat(1 << 20),
    ] {
        assert_eq!(
            refused(queued(Wire::Reply(reply(&wrong)))),
            ["c.queue.reply.text"],
            "{:.20}",
            wrong
        );
    }
}

#[test]
fn who_replied_and_the_links_are_checked() {
    let wrong = wire::ReplyEmail {
        replier_id: String::new(),
        replier_name: "Eve\r\nBcc: x@evil.example".to_owned(),
        invitation_url: "ftp://x/".to_owned(),
        replier_profile_url: "https://user@evil/".to_owned(),
        ..reply("Maybe.")
    };
    let fields = [
        "replier_id",
        "replier_name",
        "invitation_url",
        "replier_profile_url",
    ];
    let expected = fields.map(|name| format!("c.queue.reply.{name}"));
    assert_eq!(refused(queued(Wire::Reply(wrong))), expected);
}

#[test]
fn a_fingerprint_covers_what_the_event_fixed_and_nothing_that_is_looked_up() {
    let of = |content| queued(content).expect("right").fingerprint;
    let other_id = "0190a8a0-5f1c-7cc3-98c4-dc0c0c073990";
    let reminds = of(Wire::Reminder(reminder()));
    let looked_up = wire::ReminderEmail {
        inviter_name: "Ada Newname".to_owned(),
        accept_url: "https://example.com/another-token".to_owned(),
        remaining_count: 9,
        ..reminder()
    };
    assert_eq!(of(Wire::Reminder(looked_up)), reminds);
    let another = wire::ReminderEmail {
        number: 2,
        ..reminder()
    };
    assert_ne!(of(Wire::Reminder(another)), reminds);
    assert_ne!(of(Wire::Initial(initial())), reminds);

    let replies = of(Wire::Reply(reply("Maybe.")));
    let looked_up = wire::ReplyEmail {
        replier_name: "Ada Newname".to_owned(),
        invitation_url: "https://example.com/elsewhere".to_owned(),
        ..reply("Maybe.")
    };
    assert_eq!(of(Wire::Reply(looked_up)), replies);
    let another = wire::ReplyEmail {
        replier_id: other_id.to_owned(),
        ..reply("Maybe.")
    };
    assert_ne!(of(Wire::Reply(another)), replies);
    assert_ne!(of(Wire::Reply(reply("Perhaps."))), replies);
}

#[test]
fn a_cancel_without_a_scope_is_of_all() {
    for (wire, scope) in [
        (CancelScope::Unspecified, Scope::All),
        (CancelScope::All, Scope::All),
        (CancelScope::Invitation, Scope::Invitation),
        (CancelScope::Reminders, Scope::Reminders),
    ] {
        assert_eq!(cancelled(wire.into()).expect("right"), scope);
    }
}

#[test]
fn a_scope_that_nobody_knows_is_refused_by_name() {
    for unknown in [-1, 4, i32::MAX] {
        assert_eq!(refused(cancelled(unknown)), ["c.cancel.scope"], "{unknown}");
    }
}
