//! What each transition makes notify-svc do.

use std::{collections::HashMap, time::Instant};

use proto::notify::v1 as pb;
use shell::{
    clock::to_proto,
    postgres::{Database, DatabaseError},
    signing::Keyring,
};
use uuid::Uuid;

use crate::{
    domain::{
        member::Member,
        transition::{Event, EventKind},
    },
    links::{self, AcceptLink, UrlTemplate},
    store::{
        connections::{Summary, SummaryKey, summaries},
        members,
        outbox::Claimed,
    },
};

/// Makes the links that emails carry.
#[derive(Clone)]
pub struct Links {
    /// Signs accept links.
    pub keys: Keyring,
    /// Where this service's pages are reached, without a slash at its end.
    pub public_url: String,
    /// A member's profile.
    pub profile_url: UrlTemplate,
    /// An invitation in its recipient's inbox.
    pub inbox_url: UrlTemplate,
    /// An invitation among those that its inviter sent.
    pub sent_url: UrlTemplate,
    /// How many reminders an invitation has at most.
    pub reminders: usize,
}

/// The commands of all claims, with the names and addresses of this moment. notify-svc knows a repetition by its key
/// and by what the transition fixed, so that these may change between two tries.
pub(super) async fn of(
    database: &Database,
    links: &Links,
    claimed: &[Claimed],
    deadline: Instant,
) -> Result<Vec<pb::EmailCommand>, DatabaseError> {
    let events: Vec<Event> = claimed.iter().map(|claim| claim.event.clone()).collect();
    let ids: Vec<Uuid> = events
        .iter()
        .flat_map(|event| [event.inviter_id, event.recipient_id])
        .collect();
    let accepted: Vec<SummaryKey> = events
        .iter()
        .filter(|event| event.kind == EventKind::Accepted)
        .map(summary_key)
        .collect();
    let asked = accepted.clone();
    let (members, summaries) = database
        .run(deadline, move |db| {
            let members = members::by_ids(db, &ids)?;
            let summaries = if asked.is_empty() {
                Vec::new()
            } else {
                summaries(db, &asked)?
            };
            Ok((members, summaries))
        })
        .await?;
    let summaries: HashMap<SummaryKey, Option<Summary>> = accepted.into_iter().zip(summaries).collect();
    let members: HashMap<Uuid, Member> = members
        .into_iter()
        .map(|member| (member.member_id, member))
        .collect();
    let mut commands = Vec::new();
    for event in &events {
        let (Some(inviter), Some(recipient)) =
            (members.get(&event.inviter_id), members.get(&event.recipient_id))
        else {
            // One of the two was erased. What is open of the invitation ends; nothing new is owed.
            commands.push(cancel(event, pb::CancelScope::All));
            continue;
        };
        let names = Names { inviter, recipient };
        let summary = summaries.get(&summary_key(event)).cloned().flatten();
        commands.extend(owed(links, event, &names, summary));
    }
    Ok(commands)
}

/// The two members of an invitation, as they are called at this moment.
struct Names<'a> {
    inviter: &'a Member,
    recipient: &'a Member,
}

/// What a transition owes: the contract's table of emails. A cancel stops what was queued for a transition before it,
/// whichever arrives first. `summary` is that of the new connection of an acceptance, while there is one.
fn owed(links: &Links, event: &Event, names: &Names, summary: Option<Summary>) -> Vec<pb::EmailCommand> {
    use pb::CancelScope::{All, Invitation, Reminders};
    match event.kind {
        EventKind::Sent => vec![initial(links, event, names)],
        EventKind::Resent => vec![cancel(event, Invitation), initial(links, event, names)],
        EventKind::Accepted => {
            // Where the two have parted meanwhile, there is nothing to tell.
            let acceptance = summary.map(|summary| acceptance(links, event, names, summary));
            [cancel(event, All)].into_iter().chain(acceptance).collect()
        }
        EventKind::Replied => vec![cancel(event, Invitation), reply(links, event, names)],
        EventKind::Ignored => vec![cancel(event, Invitation)],
        EventKind::Withdrawn | EventKind::Expired | EventKind::Voided => vec![cancel(event, All)],
        EventKind::Reminded => vec![reminder(links, event, names)],
        EventKind::RemindersStopped => vec![cancel(event, Reminders)],
        EventKind::Restored | EventKind::Declined | EventKind::Disconnected => Vec::new(),
    }
}

/// The inviter reads about the connections of the recipient, who is new to them.
fn summary_key(event: &Event) -> SummaryKey {
    SummaryKey {
        viewer_id: event.inviter_id,
        member_id: event.recipient_id,
    }
}

fn cancel(event: &Event, scope: pb::CancelScope) -> pb::EmailCommand {
    let cancel = pb::CancelEmails {
        invitation_id: event.invitation_id.to_string(),
        sequence: event.sequence,
        scope: scope.into(),
    };
    pb::EmailCommand {
        command: Some(pb::email_command::Command::Cancel(cancel)),
    }
}

fn accept_url(links: &Links, event: &Event) -> String {
    let link = AcceptLink {
        recipient_id: event.recipient_id,
        invitation_id: event.invitation_id,
    };
    format!("{}/i/{}", links.public_url, links::token(&links.keys, link))
}

fn initial(links: &Links, event: &Event, names: &Names) -> pb::EmailCommand {
    let content = pb::queue_email::Content::Initial(pb::InitialEmail {
        inviter_id: names.inviter.member_id.to_string(),
        inviter_name: names.inviter.name.clone(),
        note: event.text.clone(),
        accept_url: accept_url(links, event),
        inviter_profile_url: links.profile_url.of(names.inviter.member_id),
        inbox_url: links.inbox_url.of(event.invitation_id),
        remaining_count: Some(count(event.number)),
    });
    queue(event, "initial", names.recipient, content)
}

fn reminder(links: &Links, event: &Event, names: &Names) -> pb::EmailCommand {
    let content = pb::queue_email::Content::Reminder(pb::ReminderEmail {
        inviter_id: names.inviter.member_id.to_string(),
        inviter_name: names.inviter.name.clone(),
        note: event.text.clone(),
        accept_url: accept_url(links, event),
        inviter_profile_url: links.profile_url.of(names.inviter.member_id),
        inbox_url: links.inbox_url.of(event.invitation_id),
        number: count(event.number),
        remaining_count: count(links.reminders.saturating_sub(event.number)),
    });
    queue(event, "reminder", names.recipient, content)
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn reply(links: &Links, event: &Event, names: &Names) -> pb::EmailCommand {
    let content = pb::queue_email::Content::Reply(pb::ReplyEmail {
        replier_id: names.recipient.member_id.to_string(),
        replier_name: names.recipient.name.clone(),
        text: event.text.clone(),
        invitation_url: links.sent_url.of(event.invitation_id),
        replier_profile_url: links.profile_url.of(names.recipient.member_id),
    });
    queue(event, "reply", names.inviter, content)
}

fn acceptance(links: &Links, event: &Event, names: &Names, summary: Summary) -> pb::EmailCommand {
    let connection = names.recipient;
    let (named_ids, shown) = summary
        .named
        .into_iter()
        .map(|(id, name)| (id.to_string(), name))
        .unzip();
    let content = pb::queue_email::Content::Acceptance(pb::AcceptanceEmail {
        connection_id: connection.member_id.to_string(),
        connection_name: connection.name.clone(),
        connection_address: connection.email.clone(),
        connection_profile_url: links.profile_url.of(connection.member_id),
        total_count: summary.total,
        shared_count: summary.shared,
        names: shown,
        named_ids,
    });
    queue(event, "acceptance", names.inviter, content)
}

fn queue(event: &Event, kind: &str, reader: &Member, content: pb::queue_email::Content) -> pb::EmailCommand {
    let queue = pb::QueueEmail {
        key: format!("{}/{}/{kind}", event.invitation_id, event.sequence),
        invitation_id: event.invitation_id.to_string(),
        sequence: event.sequence,
        event_time: Some(to_proto(event.happened_at)),
        recipient: Some(pb::EmailRecipient {
            member_id: reader.member_id.to_string(),
            name: reader.name.clone(),
            address: reader.email.clone(),
            locale: reader.locale.clone(),
            time_zone: reader.time_zone.clone(),
        }),
        content: Some(content),
    };
    pb::EmailCommand {
        command: Some(pb::email_command::Command::Queue(queue)),
    }
}
