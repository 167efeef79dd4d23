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
    let mut summaries: HashMap<SummaryKey, Summary> = accepted.into_iter().zip(summaries).collect();
    let members: HashMap<Uuid, Member> = members
        .into_iter()
        .map(|member| (member.member_id, member))
        .collect();
    let mut commands = Vec::new();
    for event in &events {
        let (Some(inviter), Some(recipient)) =
            (members.get(&event.inviter_id), members.get(&event.recipient_id))
        else {
            tracing::error!(invitation_id = %event.invitation_id, "a member of this invitation is unknown; its transition owes no email");
            continue;
        };
        match event.kind {
            EventKind::Sent => {
                if event.sequence > 1 {
                    commands.push(cancel(event));
                }
                commands.push(initial(links, event, inviter, recipient));
            }
            EventKind::Accepted => {
                let summary = summaries.remove(&summary_key(event)).unwrap_or_default();
                commands.push(cancel(event));
                commands.push(acceptance(links, event, inviter, recipient, summary));
            }
        }
    }
    Ok(commands)
}

/// The inviter reads about the connections of the recipient, who is new to them.
fn summary_key(event: &Event) -> SummaryKey {
    SummaryKey {
        viewer_id: event.inviter_id,
        member_id: event.recipient_id,
    }
}

fn cancel(event: &Event) -> pb::EmailCommand {
    let cancel = pb::CancelEmails {
        invitation_id: event.invitation_id.to_string(),
        sequence: event.sequence,
    };
    pb::EmailCommand {
        command: Some(pb::email_command::Command::Cancel(cancel)),
    }
}

fn initial(links: &Links, event: &Event, inviter: &Member, recipient: &Member) -> pb::EmailCommand {
    let link = AcceptLink {
        recipient_id: event.recipient_id,
        invitation_id: event.invitation_id,
    };
    let content = pb::queue_email::Content::Initial(pb::InitialEmail {
        inviter_id: inviter.member_id.to_string(),
        inviter_name: inviter.name.clone(),
        note: event.note.clone(),
        accept_url: format!("{}/i/{}", links.public_url, links::token(&links.keys, link)),
        inviter_profile_url: links.profile_url.of(inviter.member_id),
        inbox_url: links.inbox_url.of(event.invitation_id),
    });
    queue(event, "initial", recipient, content)
}

fn acceptance(
    links: &Links,
    event: &Event,
    inviter: &Member,
    recipient: &Member,
    summary: Summary,
) -> pb::EmailCommand {
    let content = pb::queue_email::Content::Acceptance(pb::AcceptanceEmail {
        connection_id: recipient.member_id.to_string(),
        connection_name: recipient.name.clone(),
        connection_address: recipient.email.clone(),
        connection_profile_url: links.profile_url.of(recipient.member_id),
        total_count: summary.total,
        shared_count: summary.shared,
        names: summary.names,
    });
    queue(event, "acceptance", inviter, content)
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
