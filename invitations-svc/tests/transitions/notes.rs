//! A decision in words: how it is answered, which transitions it makes and what it writes.

use invitations_svc::{
    domain::{
        account::Account,
        invitation::{Folder, Lifecycle, Received},
        pair::{Pair, Side},
        refusal::Refusal,
        transition::{Decision, Event, EventKind},
    },
    grpc::errors::code_and_reason,
};
use tonic::Code;
use uuid::Uuid;

use crate::scene::{ADA, BEN, Scene};

/// How a decision is answered.
pub(crate) fn answer(decision: &Decision) -> String {
    match decision.answer {
        Ok(_) => "OK".to_owned(),
        Err(refusal) => refused(refusal),
    }
}

/// How a refusal is answered.
pub(crate) fn refused(refusal: Refusal) -> String {
    let (code, reason) = code_and_reason(refusal);
    format!("{} {reason}", code_name(code))
}

pub(crate) fn refusal_cells(refusal: Refusal) -> [String; 3] {
    let (code, reason) = code_and_reason(refusal);
    [reason.to_owned(), code_name(code), refusal.to_string()]
}

/// `FAILED_PRECONDITION` for `FailedPrecondition`.
fn code_name(code: Code) -> String {
    upper_snake(&format!("{code:?}"))
}

/// The transitions that a decision makes.
pub(crate) fn transitions(decision: &Decision) -> String {
    let names = |event: &Event| {
        let remark = match (event.hidden, event.kind.mails() && !event.mails) {
            (true, true) => " (hidden, no email)",
            (true, false) => " (hidden)",
            (false, true) => " (no email)",
            (false, false) => "",
        };
        format!("{}{remark}", kind_name(event.kind))
    };
    listed(decision.changes.events.iter().map(names))
}

pub(crate) fn kind_name(kind: EventKind) -> String {
    upper_snake(&format!("{kind:?}"))
}

/// What a decision writes, in words.
pub(crate) fn written(scene: &Scene, decision: &Decision) -> String {
    let changes = &decision.changes;
    let mut notes = Vec::new();
    for row in &changes.received {
        let known = scene.invitation.as_ref().map(|invitation| &invitation.received);
        match known.filter(|known| known.id == row.id) {
            Some(before) => notes.extend(changed(before, row)),
            None => notes.push(format!("a new invitation, {}", place(row.folder))),
        }
    }
    if changes.connected.is_some() {
        notes.push("the two are connected".to_owned());
    }
    for account in &changes.accounts {
        let before = if account.member_id == ADA {
            &scene.ada
        } else {
            &scene.ben
        };
        notes.extend(spent(before, account));
    }
    if let Some(pair) = &changes.pair {
        notes.extend([ADA, BEN].iter().flat_map(|id| between(&scene.pair, pair, *id)));
    }
    listed(notes)
}

fn changed(before: &Received, after: &Received) -> Vec<String> {
    let mut notes = Vec::new();
    if before.lifecycle != after.lifecycle {
        notes.push(ending(after.lifecycle).to_owned());
    }
    if before.folder != after.folder {
        notes.push(format!("now {}", place(after.folder)));
    }
    let words = [
        (before.note != after.note, "note renewed"),
        (before.expires_at != after.expires_at, "expiry renewed"),
        (before.replies != after.replies, "reply stored"),
        (
            before.can_be_reminded() && after.reminders_left + 1 == before.reminders_left,
            "one reminder less to come",
        ),
        (
            before.can_be_reminded() && after.reminders_left == 0,
            "no more reminders",
        ),
        (before.reminders && !after.reminders, "reminders switched off"),
    ];
    notes.extend(chosen(words));
    let is_put_off = notes.is_empty() && before.due_at < after.due_at;
    notes.extend(is_put_off.then(|| "put off".to_owned()));
    notes
}

fn spent(before: &Account, after: &Account) -> Vec<String> {
    let sends = |account: &Account| account.lifetime_sends;
    let strikes = |account: &Account| account.strikes.times().len();
    let words = [
        (sends(after) > sends(before), "a unit of quota spent"),
        (
            after.outstanding < before.outstanding,
            "one invitation less outstanding",
        ),
        (strikes(after) > strikes(before), "a strike of the inviter"),
    ];
    chosen(words).collect()
}

fn between(before: &Pair, after: &Pair, inviter_id: Uuid) -> Vec<String> {
    let (before, after) = (before.from(inviter_id), after.from(inviter_id));
    let sends = |side: &Side| side.sends.times().len();
    let words = [
        (sends(after) > sends(before), "counts for the pair"),
        (after.barred && !before.barred, "inviter barred"),
        (before.barred && !after.barred, "ban lifted"),
        (
            after.email_required && !before.email_required,
            "the next send needs the address",
        ),
    ];
    chosen(words).collect()
}

fn place(folder: Folder) -> &'static str {
    match folder {
        Folder::Inbox => "in the inbox",
        Folder::Archived => "archived",
        Folder::Declined => "declined",
        Folder::Barred => "that reaches nobody",
    }
}

fn ending(lifecycle: Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Pending => "pending again",
        Lifecycle::Accepted => "accepted",
        Lifecycle::Withdrawn => "withdrawn",
        Lifecycle::Expired => "noted as expired",
        Lifecycle::Void => "void",
    }
}

fn chosen<const N: usize>(words: [(bool, &str); N]) -> impl Iterator<Item = String> {
    words
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, word)| word.to_owned())
}

pub(crate) fn listed(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    if words.is_empty() {
        "–".to_owned()
    } else {
        words.join(", ")
    }
}

fn upper_snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_uppercase());
    }
    text
}
