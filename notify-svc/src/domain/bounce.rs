//! Delivery status notifications (RFC 3464): which email one is about, and what it says of its address.
//!
//! Anybody can send one. It is believed where it names an email by its id, which only those know who got the email or
//! may read it; and what it claims to be the address is never looked at.

use std::{borrow::Cow, panic::catch_unwind};

use mail_parser::{
    Message, MessageParser, MimeHeaders,
    decoders::{base64::base64_decode, quoted_printable::quoted_printable_decode},
};
use uuid::Uuid;

use super::reply::Enhanced;

/// Longest notification that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1_024;

/// Parts of one notification that are read; it has three.
const MAX_PARTS: usize = 20;

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
    let message = Part::of(bytes).ok_or(Unreadable::NoMessage)?;
    let parts = message.parts().ok_or(Unreadable::NoReport)?;
    let status = parts
        .iter()
        .find(|part| part.is("message", "delivery-status") || part.is("message", "global-delivery-status"))
        .ok_or(Unreadable::NoReport)?;
    // The first group is about the message, the others are about one recipient each.
    let groups = groups(&status.body);
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
        email_id: returned_to(&message.headers).or_else(|| returned(&parts)),
        fates,
    })
}

/// A message or a part of one. Only the outermost level is ever taken apart: a parser that goes deeper can be sent as many
/// levels as its stack does not hold, and no `catch_unwind` helps against that.
struct Part<'a> {
    headers: Message<'a>,
    body: Cow<'a, [u8]>,
}

impl<'a> Part<'a> {
    /// None where there are no headers.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (mut head_end, mut body_start) = (0, bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if matches!(line, b"\n" | b"\r\n") {
                body_start = head_end + line.len();
                break;
            }
            head_end += line.len();
        }
        let (head, body) = (&bytes[..head_end], &bytes[body_start..]);
        let headers = MessageParser::default().parse_headers(head)?;
        let encoding = headers.content_transfer_encoding().unwrap_or_default();
        let decoded = if encoding.eq_ignore_ascii_case("base64") {
            base64_decode(body).map(Cow::Owned)
        } else if encoding.eq_ignore_ascii_case("quoted-printable") {
            quoted_printable_decode(body).map(Cow::Owned)
        } else {
            None
        };
        // What does not decode may be what it should be as it is.
        let body = decoded.unwrap_or(Cow::Borrowed(body));
        Some(Self { headers, body })
    }

    fn is(&self, kind: &str, subtype: &str) -> bool {
        self.headers.is_content_type(kind, subtype)
    }

    /// The parts of a multipart/report (RFC 2046, section 5.1.1); none where it is no such thing.
    fn parts(&self) -> Option<Vec<Part<'_>>> {
        if !self.is("multipart", "report") {
            return None;
        }
        let boundary = self.headers.content_type()?.attribute("boundary")?;
        let delimiter = format!("--{boundary}");
        // What comes before the first delimiter is for nobody.
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut at = 0;
        for line in self.body.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            match line
                .strip_prefix(delimiter.as_bytes())
                .map(<[u8]>::trim_ascii_end)
            {
                Some(b"") if found.len() < MAX_PARTS => found.push((at, at)),
                Some(b"" | b"--") => break,
                Some(_) | None => {
                    if let Some((_, end)) = found.last_mut() {
                        *end = at;
                    }
                }
            }
        }
        let part = |(start, end): (usize, usize)| Part::of(&self.body[start..end]);
        Some(found.into_iter().filter_map(part).collect())
    }
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
fn returned(parts: &[Part<'_>]) -> Option<Uuid> {
    const RETURNED: [(&str, &str); 4] = [
        ("message", "rfc822"),
        ("message", "global"),
        ("text", "rfc822-headers"),
        ("message", "global-headers"),
    ];
    let mut returned = parts
        .iter()
        .filter(|part| RETURNED.iter().any(|(kind, subtype)| part.is(kind, subtype)));
    returned.find_map(|part| {
        // A message's headers end at the first empty line; headers alone have none.
        let headers = MessageParser::default().parse_headers(&*part.body)?;
        let (local, _) = headers.message_id()?.split_once('@')?;
        uuid(local)
    })
}

fn uuid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    matches!(text.len(), 32 | 36).then_some(id)
}

#[cfg(test)]
mod tests;
