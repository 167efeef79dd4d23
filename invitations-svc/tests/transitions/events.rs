//! What becomes of a transition: emails, and who is told.

use invitations_svc::domain::transition::EventKind;

use crate::{notes::kind_name, table};

const KINDS: [EventKind; 13] = [
    EventKind::Sent,
    EventKind::Resent,
    EventKind::Accepted,
    EventKind::Replied,
    EventKind::Ignored,
    EventKind::Restored,
    EventKind::Declined,
    EventKind::Withdrawn,
    EventKind::Expired,
    EventKind::Voided,
    EventKind::Reminded,
    EventKind::RemindersStopped,
    EventKind::Disconnected,
];

pub(crate) fn section() -> String {
    let rows = KINDS.map(|kind| {
        let (ends, owes) = emails(kind);
        assert_eq!(
            kind.mails(),
            (ends, owes) != (NONE, NONE),
            "{kind:?}: notify-svc hears of what ends or owes an email, and of nothing else"
        );
        let (inviter, recipient) = if kind.is_followed() { shown(kind) } else { (NO, NO) };
        let services = if kind.is_followed() { "yes" } else { NO };
        [
            kind_name(kind),
            ends.into(),
            owes.into(),
            services.into(),
            inviter.into(),
            recipient.into(),
        ]
    });
    format!(
        "## Emails and followers
What a transition does to emails, and who finds it in the feed: services that follow, and the two members in their own
audience. A hidden transition owes no email and is not shown to the recipient.

{}",
        table(
            [
                "transition",
                "ends of the invitation's open emails",
                "owes",
                "services",
                "inviter",
                "recipient"
            ],
            rows
        )
    )
}

const NONE: &str = "–";
const NO: &str = "no";

/// What ends, and what is owed: the contract's table of emails.
fn emails(kind: EventKind) -> (&'static str, &'static str) {
    match kind {
        EventKind::Sent => (NONE, "the initial email to the recipient"),
        EventKind::Resent => (
            "initial, reminders",
            "the initial email to the recipient, unless one went in the last 24 hours; then nothing ends either",
        ),
        EventKind::Accepted => (
            "all",
            "the acceptance email to the inviter, unless the two have parted before it is handed over",
        ),
        EventKind::Replied => ("initial, reminders", "the reply email to the inviter"),
        EventKind::Ignored => ("initial, reminders", NONE),
        EventKind::Withdrawn | EventKind::Expired | EventKind::Voided => ("all", NONE),
        EventKind::Reminded => (NONE, "the reminder to the recipient"),
        EventKind::RemindersStopped => ("reminders", NONE),
        EventKind::Restored | EventKind::Declined | EventKind::Disconnected => (NONE, NONE),
    }
}

/// Whether inviter and recipient may learn of it.
fn shown(kind: EventKind) -> (&'static str, &'static str) {
    match kind {
        EventKind::Ignored | EventKind::Restored | EventKind::Declined => (NO, "yes"),
        EventKind::Accepted | EventKind::Replied | EventKind::Disconnected => ("yes", "yes"),
        EventKind::Sent
        | EventKind::Resent
        | EventKind::Withdrawn
        | EventKind::Expired
        | EventKind::Voided
        | EventKind::Reminded
        | EventKind::RemindersStopped => ("yes", "yes, unless hidden"),
    }
}
