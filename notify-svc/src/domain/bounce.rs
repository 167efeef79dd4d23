//! Delivery status notifications (RFC 3464): which email one is about, and what it says of its address.
//!
//! Anybody can send one. It is believed where it names an email by its id, which only those know who got the email or
//! may read it; and what it claims to be the address is never looked at.

use std::panic::catch_unwind;

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use uuid::Uuid;

use super::reply::Enhanced;

/// Longest notification that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1_024;

/// Recipients of one notification that are read; ours have one.
const MAX_RECIPIENTS: usize = 10;

/// Headers in which mail servers leave the address that a message was really for.
const DELIVERED_TO: [&str; 4] = ["To", "Delivered-To", "X-Original-To", "Envelope-To"];

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    /// The email that it is about, if it is one of ours; none where it names none.
    pub(crate) email_id: Option<Uuid>,
    /// What became of it, for each recipient.
    pub(crate) fates: Vec<Fate>,
}

/// What became of a message on its way to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fate {
    /// It was given up.
    failed: bool,
    /// Enhanced status code.
    pub(crate) status: Enhanced,
    /// The words with it, as they came.
    pub(crate) diagnostic: String,
}

impl Fate {
    /// Whether it tells that nobody reads mail at the address.
    pub(crate) fn is_dead_mailbox(&self) -> bool {
        self.failed && self.status.names_a_dead_mailbox()
    }
}

/// Why something is no notification that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("must have at most 262144 bytes")]
    TooLong,
    #[error("must be a message with headers (RFC 5322)")]
    NoMessage,
    #[error("must be a multipart/report with a message/delivery-status part (RFC 3464)")]
    NoReport,
    #[error("must name the recipient, action and status of at least one recipient (RFC 3464, section 2.3)")]
    NoRecipient,
}

/// Reads a notification. It comes from anywhere, so even a panic of the parser is only this one's end.
pub(crate) fn read(bytes: &[u8]) -> Result<Notification, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::TooLong);
    }
    catch_unwind(|| parse(bytes)).unwrap_or(Err(Unreadable::NoMessage))
}

fn parse(bytes: &[u8]) -> Result<Notification, Unreadable> {
    let message = MessageParser::default()
        .parse(bytes)
        .ok_or(Unreadable::NoMessage)?;
    if !is_report(&message) {
        return Err(Unreadable::NoReport);
    }
    let status = message
        .parts
        .iter()
        .find(|part| {
            part.is_content_type("message", "delivery-status")
                || part.is_content_type("message", "global-delivery-status")
        })
        .ok_or(Unreadable::NoReport)?;
    // The first group is about the message, the others are about one recipient each.
    let groups = groups(status.contents());
    let fates: Vec<Fate> = groups
        .iter()
        .skip(1)
        .filter_map(|group| fate(group))
        .take(MAX_RECIPIENTS)
        .collect();
    if fates.is_empty() {
        return Err(Unreadable::NoRecipient);
    }
    Ok(Notification {
        email_id: returned_to(&message).or_else(|| returned(&message)),
        fates,
    })
}

fn is_report(message: &Message<'_>) -> bool {
    message.is_content_type("multipart", "report")
}

/// The groups of lines between empty lines.
fn groups(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let groups = text.split("\n\n").map(|group| group.trim_matches('\n'));
    groups
        .filter(|group| !group.is_empty())
        .map(|group| format!("{group}\n\n"))
        .collect()
}

/// None where one of the fields that each recipient must have is missing or malformed.
fn fate(group: &str) -> Option<Fate> {
    let fields = MessageParser::default().parse_headers(group)?;
    let field = |name: &str| {
        let raw = fields.header_raw(name)?;
        let words: Vec<&str> = raw.split_whitespace().collect();
        Some(words.join(" "))
    };
    field("Final-Recipient")?;
    let action = field("Action")?.to_ascii_lowercase();
    let status = Enhanced::at_start_of(&field("Status")?)?;
    let diagnostic = field("Diagnostic-Code").unwrap_or_default();
    Some(Fate {
        failed: action == "failed",
        status,
        diagnostic,
    })
}

/// The email whose failures are returned to the address that the notification came to: what stands after its plus.
fn returned_to(message: &Message<'_>) -> Option<Uuid> {
    let headers = message.headers_raw();
    let mut to =
        headers.filter(|(name, _)| DELIVERED_TO.iter().any(|known| known.eq_ignore_ascii_case(name)));
    to.find_map(|(_, value)| {
        let mut addresses = value.split(|c: char| c.is_whitespace() || "<>,;\"".contains(c));
        addresses.find_map(|address| {
            let (local, _) = address.rsplit_once('@')?;
            let (_, id) = local.rsplit_once('+')?;
            uuid(id)
        })
    })
}

/// The email whose Message-ID stands in what the notification returns: the message or its headers.
fn returned(message: &Message<'_>) -> Option<Uuid> {
    message.parts.iter().find_map(|part| {
        let id = match &part.body {
            PartType::Message(returned) => returned.message_id().map(str::to_owned),
            _ if part.is_content_type("text", "rfc822-headers")
                || part.is_content_type("message", "global-headers") =>
            {
                let headers = MessageParser::default().parse_headers(part.contents())?;
                headers.message_id().map(str::to_owned)
            }
            _ => None,
        };
        let (local, _) = id.as_deref()?.split_once('@')?;
        uuid(local)
    })
}

fn uuid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    matches!(text.len(), 32 | 36).then_some(id)
}

#[cfg(test)]
mod tests;
